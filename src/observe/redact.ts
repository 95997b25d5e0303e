interface Shape {
  properties?: Record<string, Shape>
  items?: Shape
  writeOnly?: boolean
  'x-personal'?: boolean
}

/**
 * A value for the log: its declared fields, without write-only and personal ones. An undeclared field may hold
 * anything, even a password in the wrong place, so only its presence is shown. Text in declared fields is shown without
 * anything that looks like a credential.
 */
export function redact(value: unknown, schema: unknown): unknown {
  const { properties, items, writeOnly, 'x-personal': isPersonal } = (schema ?? {}) as Shape
  if (writeOnly || isPersonal) return '[redacted]'
  if (Array.isArray(value)) return items ? value.map((one) => redact(one, items)) : '[unknown]'
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, redactField(one, properties?.[name])]))
  }
  if (schema === undefined) return '[unknown]'
  return typeof value === 'string' ? hideCredentials(value) : value
}

const redactField = (value: unknown, schema: Shape | undefined) => (schema ? redact(value, schema) : '[unknown]')

// Credentials with a known start; and other long words without a break, of mixed letters and digits or hexadecimal. A
// UUID has hyphens and a word no digits, so both stay.
const CREDENTIAL =
  /\b(?:tn(?:[cmr]|_live|_test)_|whsec_|eyJ|Bearer |Basic )[\w.+/=~-]+|\b(?=\w*\d)(?=\w*[a-z])(?=\w*[A-Z])\w{24,}|\b[0-9a-fA-F]{32,}\b/g

/** A text for the log, with `[redacted]` in place of anything that looks like a key, a token or a password hash. */
export const hideCredentials = (text: string): string =>
  text.length < 12 ? text : text.replace(CREDENTIAL, '[redacted]')
