import { type TSchema, Type } from '@sinclair/typebox'
import { validationFailed } from '../../errors.ts'
import { documentedAs } from '../../schema/fields.ts'

/** One condition as it was written: the parameter that it would be by itself, and its value or values. */
export type Written = [parameter: string, value: string | string[]]

/** Alternatives, of each of which all conditions must hold. */
export type WrittenGroup = Written[][]

const MAX_GROUPS = 5

const DESCRIPTION = `Rows that meet any of the conditions: \`(priceCents[lt]=100,stock=0)\`. Each is a filter of this list;
\`and(…)\` joins some into one: \`(and(stock=0,active=true),priceCents[gte]=1000)\`. Values with a comma, bracket or quote
stand in double quotes, with \`\\\` before a quote: \`(name="Desk, oak",sku=A)\`; lists in brackets: \`(sku[in]=(A,B),stock=0)\`.
Repeat the parameter for groups that must all be met. Filters beside it must be met too.`

/** The query parameter `or`. */
export const orParameter: TSchema = Type.Optional(
  documentedAs(
    // Without a type, so that the commas of a group are not taken for those of a list.
    Type.Unsafe<string | string[]>({
      anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, maxItems: MAX_GROUPS }],
      description: DESCRIPTION.replaceAll('\n', ' ')
    }),
    Type.String({ examples: ['(priceCents[lt]=100,stock=0)'] })
  )
)

/**
 * Reads the text of a group: `(a=1,b[gt]=2)`.
 * @throws ApiError VALIDATION_FAILED naming the character at which it cannot be read.
 */
export function parseGroup(text: string): WrittenGroup {
  const reader = new Reader(text)
  const group = reader.list(() =>
    reader.take('and(') ? reader.list(() => reader.condition(), true) : [reader.condition()]
  )
  reader.end()
  return group
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false
    this.#at += token.length
    return true
  }

  list<T>(one: () => T, isOpen = false): T[] {
    if (!isOpen && !this.take('(')) throw this.#unexpected()
    const found = [one()]
    while (this.take(',')) found.push(one())
    if (!this.take(')')) throw this.#unexpected()
    return found
  }

  condition(): Written {
    const name = this.#match(/[\w.]+(\[\w+\])?/y)
    if (!this.take('=')) throw this.#unexpected()
    return [name, this.take('(') ? this.list(() => this.#value(), true) : this.#value()]
  }

  end(): void {
    if (this.#at < this.#text.length) throw this.#unexpected()
  }

  #value(): string {
    if (!this.take('"')) return this.#match(/[^,()"]*/y)
    const quoted = this.#match(/(?:[^"\\]|\\.)*/y)
    if (!this.take('"')) throw this.#unexpected()
    return quoted.replace(/\\(.)/g, '$1')
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found === undefined) throw this.#unexpected()
    this.#at += found.length
    return found
  }

  #unexpected() {
    const message = `must be (field=value,…): it cannot be read at character ${this.#at + 1}`
    return validationFailed([{ in: 'query', path: '/or', code: 'syntax', message }])
  }
}
