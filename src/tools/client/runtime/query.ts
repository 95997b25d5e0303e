/** The comparisons of a field in a query: a value that it equals, or operators. */
export type Filter<T, Operator extends string> = T | { [Name in Operator]?: OperandOf<T, Name> | undefined }

type OperandOf<T, Operator> = Operator extends 'in' | 'nin' | 'has'
  ? readonly T[]
  : Operator extends 'isNull'
    ? boolean
    : Operator extends 'like' | 'ilike'
      ? string
      : T

/** The fields of a row that a query with `fields` and `include` asks for; the whole row where it names none. */
export type Selected<Row, All, Field, Included = never> = [All] extends [Field]
  ? Row
  : Pick<Row, Extract<Field | Included, keyof Row>>

/**
 * A query as a text, with its `?`; empty where there is nothing to ask. Lists are joined by commas, and a comma in a value is
 * encoded; objects are operators: `{ priceCents: { gte: 1000 } }` is `priceCents[gte]=1000`.
 * @param repeated names of lists that are sent as one parameter for each value.
 */
export function queryText(query: object | undefined, repeated: readonly string[] = []): string {
  const parts: string[] = []
  const add = (name: string, value: unknown): void => {
    if (value === undefined) return
    if (Array.isArray(value) && repeated.includes(name)) for (const one of value) add(name, one)
    else if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [operator, operand] of Object.entries(value)) add(`${name}[${operator}]`, operand)
    else parts.push(`${encodeURIComponent(name)}=${[value].flat().map(encodeValue).join(',')}`)
  }
  for (const [name, value] of Object.entries(query ?? {})) add(name, value)
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}

const encodeValue = (value: unknown) => encodeURIComponent(String(value))

/** A value as a segment of a path. @throws TypeError for one that would name another path. */
export function segment(value: string | number): string {
  const text = encodeURIComponent(value)
  if (text === '' || text === '.' || text === '..') throw new TypeError(`'${value}' is no segment of a path`)
  return text
}
