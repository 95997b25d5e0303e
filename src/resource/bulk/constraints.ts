import type { AnyPgColumn, PgTable } from 'drizzle-orm/pg-core'
import { constraintsOf } from '#src/db/constraints.ts'
import type { Fault } from '#src/errors.ts'
import { type Columns, DeclarationError, type Resource } from '../model.ts'

/** Columns that are unique together, which many rows are checked against in the statement that writes them. */
export interface UniqueGuard {
  columns: AnyPgColumn[]
  /** The keys of the columns in the table object. */
  keys: string[]
  fault: Fault
}

/** A reference, and where it points. */
export interface ReferenceGuard {
  column: AnyPgColumn
  fault: Fault
  target: { table: PgTable; column: AnyPgColumn }
}

/** A unique key by which stored rows are recognized. */
export interface UpsertKey extends UniqueGuard {
  /** The fields of the key, as a request names them: `sku`, `orderId,position`. */
  name: string
  fields: string[]
}

/** The constraints that can refuse single rows of a table, and the keys that tell an update from an insert. */
export interface Keys {
  uniques: UniqueGuard[]
  references: ReferenceGuard[]
  /** Every key that can show that a row exists already. */
  upserts: UpsertKey[]
  /** The key that is used when a request names none. */
  upsert: UpsertKey | undefined
}

/**
 * The keys of a resource's table. The upsert key is the one that the declaration names, else the only one that there is.
 * A key may have several fields, and the owner among its columns.
 * @throws DeclarationError when the declaration names fields that are not unique together, or may be null.
 */
export function keysOf(resource: Resource): Keys {
  const { columns, faults, name, declaration } = resource
  const uniques: UniqueGuard[] = []
  const references: ReferenceGuard[] = []
  for (const [constraint, { kind, columns: keys, target }] of constraintsOf(resource.table)) {
    const fault = faults.get(constraint)
    // A column without a field cannot be wrong in a body, so the database checks it.
    if (!fault) continue
    const all = keys.map((key) => columns[key] as AnyPgColumn)
    if (kind === 'unique') uniques.push({ columns: all, keys, fault })
    if (target && all.length === 1) {
      const [column, pointed] = [all[0], target.columns[0]] as [AnyPgColumn, AnyPgColumn]
      references.push({ column, fault, target: { table: target.table, column: pointed } })
    }
  }
  const upserts = uniques.flatMap((unique) => upsertKeyOf(resource, unique) ?? [])
  const declared = declaration.upsert && [declaration.upsert].flat().join()
  const upsert = declared ? upserts.find((key) => key.name === declared) : upserts.length === 1 ? upserts[0] : undefined
  if (declared && !upsert) throw new DeclarationError(`${name}: upsert names '${declared}', which is not a unique key`)
  return { uniques, references, upserts, upsert }
}

// Each column is a field that callers write and that is never null, or the owner, which the server fills in.
function upsertKeyOf({ fields, declaration }: Resource, unique: UniqueGuard): UpsertKey | undefined {
  const all = [...fields.values()]
  const found = unique.keys
    .filter((key) => key !== declaration.owner)
    .map((key) => all.find((field) => field.key === key && !field.isNullable && !field.schema.readOnly))
  if (found.length === 0 || found.includes(undefined)) return undefined
  const names = found.map((field) => (field as { name: string }).name)
  return { ...unique, fields: names, name: names.join() }
}

/** The value of a key in a row, as text that is equal only for equal values. */
export const keyText = ({ keys }: UniqueGuard, row: Columns): string =>
  keys.length === 1 ? `${keys[0]} ${row[keys[0] as string]}` : JSON.stringify(keys.map((key) => [key, row[key]]))
