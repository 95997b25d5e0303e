/** A part of the document. */
export type Json = Record<string, unknown>

interface Schema {
  type?: string | string[]
  format?: string
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  default?: unknown
  examples?: unknown[]
  minimum?: number
  exclusiveMinimum?: number
  readOnly?: boolean
  properties?: Record<string, Schema>
  items?: Schema
}

const FORMATS: Record<string, string> = {
  uuid: '0192f0c1-2345-7abc-8def-0123456789ab',
  'date-time': '2026-01-31T09:30:00.000Z',
  email: 'ada@example.com',
  uri: 'https://example.com/hook'
}

/**
 * A value that fits a schema: its own example, its default, or a combination of the examples of its parts.
 * @param isRequest leaves out what only the server writes.
 */
export function exampleOf(schema: Schema, isRequest = false): unknown {
  if (schema.examples?.length) return schema.examples[0]
  if (schema.default !== undefined) return schema.default
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return schema.enum[0]
  if (schema.anyOf) return exampleOf(schema.anyOf[0] as Schema, isRequest)
  switch ([schema.type].flat()[0]) {
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(([, one]) => !isRequest || !one.readOnly)
          .map(([name, one]) => [name, exampleOf(one, isRequest)])
      )
    case 'array':
      return schema.items ? [exampleOf(schema.items, isRequest)] : []
    case 'integer':
    case 'number':
      return Math.max(schema.minimum ?? 1, 1)
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return FORMATS[schema.format ?? ''] ?? 'text'
  }
}
