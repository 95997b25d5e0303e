import { type TSchema, Type } from '@sinclair/typebox'
import { validationFailed } from '../../errors.ts'
import { documentedAs } from '../../schema/fields.ts'

/** How the members of a group are joined. `not` has one. */
export type Join = 'or' | 'and' | 'not'

/** One condition as it was written: the parameter that it would be by itself, and its value or values. */
export interface Written {
  parameter: string
  value: string | string[]
}

/** Conditions and groups as they were written. */
export interface WrittenGroup {
  join: Join
  members: (Written | WrittenGroup)[]
}

export const JOINS: Join[] = ['or', 'and', 'not']

const MAX_GROUPS = 5
const MAX_DEPTH = 5

const SYNTAX = `\`and(…)\`, \`or(…)\` and \`not(…)\` stand inside, too, at most ${MAX_DEPTH} deep. Each condition is a filter of
this list. Values with a comma, bracket or quote stand in double quotes, with \`\\\` before a quote: \`(name="Desk, oak",sku=A)\`;
lists in brackets: \`(sku[in]=(A,B),stock=0)\`. Repeat the parameter for groups that must all be met. Filters beside it must be met
too.`

const MEANINGS: Record<Join, [meaning: string, example: string]> = {
  or: ['Rows that meet any of the conditions.', '(priceCents[lt]=100,and(stock=0,active=true))'],
  and: ['Rows that meet all of the conditions.', '(or(stock=0,active=false),priceCents[gte]=1000)'],
  not: ['Rows that do not meet the one condition or group.', '(or(stock=0,active=false))']
}

/** The query parameters `or`, `and` and `not`. */
export const groupParameters: Record<Join, TSchema> = {
  or: groupParameter('or'),
  and: groupParameter('and'),
  not: groupParameter('not')
}

function groupParameter(join: Join): TSchema {
  const [meaning, example] = MEANINGS[join]
  return Type.Optional(
    documentedAs(
      // Without a type, so that the commas of a group are not taken for those of a list.
      Type.Unsafe<string | string[]>({
        anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, maxItems: MAX_GROUPS }],
        description: `${meaning} ${SYNTAX.replaceAll('\n', ' ')}`
      }),
      Type.Array(Type.String(), { maxItems: MAX_GROUPS, examples: [[example]], 'x-repeated': true })
    )
  )
}

/**
 * Reads the text of a group: `(a=1,b[gt]=2)`.
 * @throws ApiError VALIDATION_FAILED naming the character at which it cannot be read.
 */
export function parseGroup(parameter: Join | 'having', text: string): WrittenGroup {
  const reader = new Reader(parameter, text)
  if (!reader.take('(')) throw reader.unexpected()
  const group = reader.group(parameter === 'having' ? 'and' : parameter, 1)
  reader.end()
  return group
}

class Reader {
  readonly #parameter: Join | 'having'
  readonly #text: string
  #at = 0

  constructor(parameter: Join | 'having', text: string) {
    this.#parameter = parameter
    this.#text = text
  }

  take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false
    this.#at += token.length
    return true
  }

  /** Reads the members of a group after its opening bracket. */
  group(join: Join, depth: number): WrittenGroup {
    if (depth > MAX_DEPTH) throw this.unexpected()
    const members = this.#list(() => this.#member(depth))
    if (join === 'not' && members.length > 1) throw this.unexpected()
    return { join, members }
  }

  end(): void {
    if (this.#at < this.#text.length) throw this.unexpected()
  }

  #member(depth: number): Written | WrittenGroup {
    const join = JOINS.find((one) => this.take(`${one}(`))
    return join ? this.group(join, depth + 1) : this.#condition()
  }

  #list<T>(one: () => T): T[] {
    const found = [one()]
    while (this.take(',')) found.push(one())
    if (!this.take(')')) throw this.unexpected()
    return found
  }

  #condition(): Written {
    const parameter = this.#match(/[\w.]+(\[\w+\])?/y)
    if (!this.take('=')) throw this.unexpected()
    return { parameter, value: this.take('(') ? this.#list(() => this.#value()) : this.#value() }
  }

  #value(): string {
    if (!this.take('"')) return this.#match(/[^,()"]*/y)
    const quoted = this.#match(/(?:[^"\\]|\\.)*/y)
    if (!this.take('"')) throw this.unexpected()
    return quoted.replace(/\\(.)/g, '$1')
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found === undefined) throw this.unexpected()
    this.#at += found.length
    return found
  }

  unexpected() {
    const shape = this.#parameter === 'not' ? 'must be (field=value) or (or(…))' : 'must be (field=value,…)'
    const message = `${shape}: it cannot be read at character ${this.#at + 1}`
    return validationFailed([{ in: 'query', path: `/${this.#parameter}`, code: 'syntax', message }])
  }
}
