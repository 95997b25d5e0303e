interface Shape {
  properties?: Record<string, Shape>
  items?: Shape
  writeOnly?: boolean
}

/**
 * A value as a log may show it: what its schema declares, without what is write-only. What the schema does not know may
 * be anything, a password in the wrong field too, so only its being there is told.
 */
export function redact(value: unknown, schema: unknown): unknown {
  const { properties, items, writeOnly } = (schema ?? {}) as Shape
  if (writeOnly) return '[redacted]'
  if (Array.isArray(value)) return items ? value.map((one) => redact(one, items)) : '[unknown]'
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, redactField(one, properties?.[name])]))
  }
  return schema === undefined ? '[unknown]' : value
}

const redactField = (value: unknown, schema: Shape | undefined) => (schema ? redact(value, schema) : '[unknown]')
