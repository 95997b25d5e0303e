/** A JSON value as text that is the same for equal values: the members of every object are in one order. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, inOneOrder) ?? ''
}

/** A replacer of `JSON.stringify` that puts the members of an object in one order. */
export function inOneOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
