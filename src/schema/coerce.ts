import { pointer } from './pointer.ts'
import { splitList } from './query-string.ts'

interface TextSchema {
  type?: string
  items?: TextSchema
  properties?: Record<string, TextSchema>
}

interface TextFault {
  path: string
  code: string
  message: string
}

/**
 * Turns the text of a query, path or header into the types of its schema, in place. Only the plain spelling of a number
 * or boolean counts: Ajv's own coercion reads "0x10" as 16 and " 7 " as 7. A list is comma-separated, or repeated:
 * `a=1,2` or `a=1&a=2`. `%2C` and double quotes keep a comma in a value.
 * @param names the values to coerce.
 * @returns values that no database can store, with a NUL or a lone surrogate, and lists with broken quotes.
 */
export function coerce(
  data: Record<string, unknown>,
  schema: TextSchema,
  names: Iterable<string> = Object.keys(data)
): TextFault[] {
  const faults: TextFault[] = []
  for (const name of names) {
    const value = data[name]
    if (value === undefined) continue
    const property = schema.properties?.[name]
    if (Array.isArray(value) ? !value.every(isClean) : !isClean(value)) {
      faults.push({ path: `/${pointer(name)}`, code: 'text', message: 'must not contain NUL or lone surrogates' })
    } else if (property?.type === 'array') {
      const values = splitList(data, name)
      if (values) data[name] = values.map((one) => fromText(one, property.items))
      else faults.push({ path: `/${pointer(name)}`, code: 'syntax', message: 'must end its double quotes' })
    } else if (property) {
      data[name] = fromText(value, property)
    }
  }
  return faults
}

/** Whether a string can be stored as PostgreSQL text. */
export function isCleanText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}

const isClean = (value: unknown) => typeof value !== 'string' || isCleanText(value)

const INTEGER = /^-?(0|[1-9]\d*)(\.\d+)?$/
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i

function fromText(value: unknown, schema: TextSchema | undefined): unknown {
  if (typeof value !== 'string' || !schema) return value
  if (schema.type === 'integer') return INTEGER.test(value) ? Number(value) : value
  if (schema.type === 'number') return NUMBER.test(value) ? Number(value) : value
  if (schema.type === 'boolean') return value === 'true' ? true : value === 'false' ? false : value
  return value
}
