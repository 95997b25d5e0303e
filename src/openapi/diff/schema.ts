/** The compared parts of a JSON schema. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  additionalProperties?: unknown
  format?: string
  pattern?: string
  [limit: string]: unknown
}

/** The sender of the described value. A narrower request breaks a client, and so does a wider answer. */
export type Side = 'request' | 'response'

/** Notes one difference. */
export type Note = (isBreaking: boolean, where: string, what: string) => void

/** Resolves a `$ref` of a document. */
type Resolve = (schema: Schema) => Schema

interface Pair {
  before: Schema
  after: Schema
  where: string
}

/** Compares two schemas of one side place by place, and notes where one is narrower, wider or different. */
export function schemaComparer(side: Side, note: Note, [resolveOld, resolveNew]: [Resolve, Resolve]) {
  const narrower = (where: string, what: string) => note(side === 'request', where, what)
  const wider = (where: string, what: string) => note(side === 'response', where, what)

  function compare(pair: Pair): void {
    const { where } = pair
    const [before, after] = [resolveOld(pair.before), resolveNew(pair.after)]
    compareValues(where, 'type', typesOf(before), typesOf(after))
    compareValues(where, 'value', before.enum, after.enum)
    compareLimits(before, after, where)
    if (before.format !== after.format) note(true, where, `format '${before.format}' became '${after.format}'`)
    compareProperties(before, after, where)
    if (before.items && after.items) compare({ before: before.items, after: after.items, where: `${where}/*` })
    compareBranches(before.anyOf ?? [], after.anyOf ?? [], where)
  }

  function compareValues(where: string, what: string, before: unknown[] | undefined, after: unknown[] | undefined) {
    if (!before && !after) return
    if (!before) return narrower(where, `is limited to the ${what}s ${after?.join(', ')}`)
    if (!after) return wider(where, `is not limited to the ${what}s ${before.join(', ')} any more`)
    for (const one of before) if (!after.includes(one)) narrower(where, `${what} ${one} was removed`)
    for (const one of after) if (!before.includes(one)) wider(where, `${what} ${one} was added`)
  }

  // A client can read any answer of the same type, whatever its length.
  function compareLimits(before: Schema, after: Schema, where: string): void {
    if (side === 'response') return
    for (const [name, sign] of Object.entries(LIMITS)) {
      const [old, now] = [before[name] ?? -sign * Infinity, after[name] ?? -sign * Infinity].map(
        (one) => sign * Number(one)
      )
      if (now !== old)
        note((now as number) > (old as number), where, `${name} was ${before[name]} and is ${after[name]}`)
    }
    if (before.pattern === after.pattern) return
    note(after.pattern !== undefined, where, `pattern was ${before.pattern} and is ${after.pattern}`)
  }

  function compareProperties(before: Schema, after: Schema, where: string): void {
    const [old, now] = [before.properties ?? {}, after.properties ?? {}]
    const isRequired = ({ required = [] }: Schema, name: string) => required.includes(name)
    for (const [name, one] of Object.entries(old)) {
      const place = `${where}/${name}`
      const same = now[name]
      if (!same) {
        note(true, place, 'was removed')
        continue
      }
      if (isRequired(after, name) && !isRequired(before, name)) narrower(place, 'became required')
      if (isRequired(before, name) && !isRequired(after, name)) wider(place, 'may be missing')
      compare({ before: one, after: same, where: place })
    }
    for (const name of Object.keys(now)) {
      if (name in old) continue
      note(side === 'request' && isRequired(after, name), `${where}/${name}`, 'was added')
    }
  }

  function compareBranches(before: Schema[], after: Schema[], where: string): void {
    for (const [index, one] of before.entries()) {
      const same = after[index]
      if (same) compare({ before: one, after: same, where })
      else narrower(where, 'has a form less')
    }
    if (after.length > before.length) wider(where, 'has a form more')
  }

  return compare
}

// The direction in which each limit is narrower: up or down.
const LIMITS = { minimum: 1, minLength: 1, minItems: 1, maximum: -1, maxLength: -1, maxItems: -1 } as const

function typesOf({ type, const: only }: Schema): unknown[] | undefined {
  if (only !== undefined) return [only]
  // Every integer is a number.
  return type === undefined
    ? undefined
    : [type].flat().flatMap((one) => (one === 'number' ? ['number', 'integer'] : [one]))
}
