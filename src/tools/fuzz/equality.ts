import { isDeepStrictEqual } from 'node:util'
import { isObject, type Json, type Schema } from '../openapi/schema.ts'
import type { Schemas } from '../openapi/schemas.ts'

/**
 * The first place where what was written is not what is read: a JSON pointer; undefined where it is all there. Fields that
 * are not in the schema of the answer, or are only written, are not compared. Times are compared as moments, and addresses of
 * e-mail without regard to case. An object that is read may have more than was written.
 */
export function lostPlace(
  written: Json,
  read: Json | undefined,
  given: Schema,
  schemas: Schemas,
  at = ''
): string | undefined {
  const schema = schemas.flatten(given)
  const branches = schema.anyOf ?? schema.oneOf
  if (branches) {
    const branch = branches.find((one) => schemas.fits(one, read))
    return branch ? lostPlace(written, read, branch, schemas, at) : undefined
  }
  if (Array.isArray(written)) {
    if (!Array.isArray(read) || read.length !== written.length) return at
    return first(written, (one, index) => lostPlace(one, read[index], schema.items ?? {}, schemas, `${at}/${index}`))
  }
  if (isObject(written)) {
    if (!isObject(read)) return at
    const { properties, additionalProperties } = schema
    return first(Object.entries(written), ([name, value]) => {
      const declared = properties?.[name]
      const property = declared ?? (properties && additionalProperties === false ? undefined : {})
      // What is not in the answer's schema is no field of the row.
      if (!property || (properties && !declared && !(name in read))) return undefined
      const { writeOnly, readOnly } = schemas.flatten(property)
      return writeOnly || readOnly ? undefined : lostPlace(value, read[name], property, schemas, `${at}/${name}`)
    })
  }
  return isSameScalar(written, read ?? null, schema.format) ? undefined : at
}

function isSameScalar(a: Json, b: Json, format: string | undefined): boolean {
  if (a === b) return true
  if (typeof a !== 'string' || typeof b !== 'string') return false
  if (format === 'date-time') return Date.parse(a) === Date.parse(b)
  return (format === 'email' || format === 'uuid' || format === 'ipv6') && a.toLowerCase() === b.toLowerCase()
}

/** The names of the fields that differ between two objects, except for some. */
export function changedFields(before: Json, after: Json, except: (name: string) => boolean): string[] {
  if (!isObject(before) || !isObject(after)) return isDeepStrictEqual(before, after) ? [] : ['']
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].filter((name) => !except(name) && !isDeepStrictEqual(before[name], after[name]))
}

function first<T>(values: T[], find: (value: T, index: number) => string | undefined): string | undefined {
  for (const [index, value] of values.entries()) {
    const found = find(value, index)
    if (found !== undefined) return found
  }
  return undefined
}
