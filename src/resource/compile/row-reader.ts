import type { TSchema } from '@sinclair/typebox'
import { bare } from '#src/schema/fields.ts'
import type { Source, Stored, StoredRow, Wire } from '../model.ts'
import type { ColumnType } from '../types/column-type.ts'

/** One value of the wire: where it goes, what it is there, and where it comes from. */
export interface Leaf {
  path: string[]
  schema: TSchema
  source: Source
  /** What its column's type means; a computed value has none, and is read by its schema. */
  type?: ColumnType | undefined
}

/**
 * Makes the reader of a resource's rows. From the values of the driver it makes an object that is sent as JSON as it
 * is. The object has the fields of the response schema and no other, so no serializer has to look for them.
 */
export function compileRowReader(leaves: Leaf[]): (values: readonly unknown[]) => Wire {
  const steps = leaves.map(({ path, schema, type }) => ({
    name: path.at(-1) as string,
    above: path.slice(0, -1),
    read: readOf(schema, type)
  }))
  return function readRow(values) {
    const wire: Wire = {}
    for (let index = 0; index < steps.length; index += 1) {
      const { name, above, read } = steps[index] as (typeof steps)[number]
      const value = values[index]
      const place = above.length === 0 ? wire : inside(wire, above)
      place[name] = read && value !== null ? read(value) : value
    }
    return wire
  }
}

function inside(wire: Wire, path: string[]): Wire {
  let place = wire
  for (const step of path) {
    place[step] ??= {}
    place = place[step] as Wire
  }
  return place
}

// Gives undefined when the driver's value is the value of the wire already.
function readOf(schema: TSchema, type: ColumnType | undefined): ((value: unknown) => unknown) | undefined {
  if (type) return type.isNative ? undefined : type.reader(schema)
  // A value that SQL computes: integers over 32 bits come as text, and JSON as text from one driver, parsed from the
  // other.
  const { type: computed } = bare(schema)
  if (computed === 'integer' || computed === 'number') return Number
  if (computed === 'object') return (value) => (typeof value === 'string' ? JSON.parse(value) : value)
  return undefined
}

/** Works out how rows are read. @param server what only the server needs, under its `@…` names. */
export function compileStored(leaves: Leaf[], server: Record<string, Source>): StoredRow {
  const readWire = compileRowReader(leaves)
  const names = Object.keys(server)
  const wire = Object.fromEntries(leaves.map(({ path, source }) => [path.join('.'), source]))
  return {
    wire,
    readWire,
    selection: { ...wire, ...server },
    read(values) {
      const stored: Record<string, unknown> = { wire: readWire(values) }
      for (const [index, name] of names.entries()) stored[name] = values[leaves.length + index]
      return stored as Stored
    }
  }
}
