interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  pattern?: string
  enum?: unknown[]
  default?: unknown
  examples?: unknown[]
  minimum?: number
  minItems?: number
  required?: string[]
  properties?: Record<string, Schema>
  items?: Schema
}

/** A value that fits a schema: its example, or the smallest one. Only required fields are filled in. */
export function sampleOf(schema: Schema, resolve: (schema: Schema) => Schema): unknown {
  const { type, format, enum: values, examples, minimum = 0, required = [], properties = {}, items } = resolve(schema)
  if (examples) return examples[0]
  if (values) return values[0]
  switch ([type].flat()[0]) {
    case 'object':
      return Object.fromEntries(required.map((name) => [name, sampleOf(properties[name] as Schema, resolve)]))
    case 'array':
      return items ? [sampleOf(items, resolve)] : []
    case 'integer':
    case 'number':
      return minimum
    case 'boolean':
      return true
    default:
      return format === 'uuid' ? '01890000-0000-7000-8000-000000000000' : 'sample'
  }
}
