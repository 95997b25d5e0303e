import type { AnyPgColumn, PgTable } from 'drizzle-orm/pg-core'
import { constraintsOf } from '#src/db/constraints.ts'
import type { Fault } from '#src/errors.ts'
import { DeclarationError, type Field, type Resource } from '../model.ts'

/** A constraint that one column of many rows is checked against in the statement that writes them. */
export interface Guard {
  column: AnyPgColumn
  /** The key of the column in the table object. */
  key: string
  fault: Fault
}

/** A reference, and where it points. */
export interface ReferenceGuard extends Guard {
  target: { table: PgTable; column: AnyPgColumn }
}

/** What can keep single rows of a table from being written, and what tells an update from an insert. */
export interface Keys {
  uniques: Guard[]
  references: ReferenceGuard[]
  /** The field whose value says that a row is there already. */
  upsert: Guard | undefined
}

/**
 * The keys of a resource's table. The upsert key is the one that the declaration names, else the only unique field.
 * @throws DeclarationError when the declaration names a field that is not unique, or may be null.
 */
export function keysOf(resource: Resource): Keys {
  const { columns, faults, fields, name, declaration } = resource
  const uniques: Guard[] = []
  const references: ReferenceGuard[] = []
  for (const [constraint, { kind, columns: keys, target }] of constraintsOf(resource.table)) {
    const [key, ...others] = keys
    const fault = faults.get(constraint)
    // What no field shows cannot be wrong in a body: that is left to the database.
    if (!key || !fault || others.length > 0) continue
    const guard = { column: columns[key] as AnyPgColumn, key, fault }
    if (kind === 'unique') uniques.push(guard)
    if (target) references.push({ ...guard, target: { table: target.table, column: target.columns[0] as AnyPgColumn } })
  }
  const candidates = uniques.filter(({ key }) => isKey([...fields.values()].find((field) => field.key === key)))
  const named = declaration.upsert && (fields.get(declaration.upsert) as Field | undefined)?.key
  const upsert = declaration.upsert
    ? candidates.find(({ key }) => key === named)
    : candidates.length === 1
      ? candidates[0]
      : undefined
  if (declaration.upsert && !upsert)
    throw new DeclarationError(`${name}: upsert names '${declaration.upsert}', which is not a unique field of its own`)
  return { uniques, references, upsert }
}

const isKey = (field: Field | undefined) => field && !field.isNullable && !field.schema.readOnly
