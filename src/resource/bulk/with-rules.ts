import { and, inArray } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { validationFailed } from '#src/errors.ts'
import type { Columns, Resource, Row } from '../model.ts'
import { isOwned } from '../rows/ownership.ts'
import { mergePatch, ruleFaults } from '../rules.ts'
import { failed, type Outcome } from './outcome.ts'
import type { Sent } from './prepare.ts'
import { type Write, writeOthers } from './settle.ts'

/**
 * Lets a statement write only the patches whose rows, with the patch merged in, keep the rules of the resource. Where it
 * has rules that takes one statement more, which reads the rows and locks them until they are changed.
 */
export function withRules(resource: Resource, ownerId: string | undefined, write: Write<Columns>): Write<Sent> {
  const columnsOf = (patches: Sent[]) => patches.map(({ columns }) => columns)
  if (!resource.declaration.rules) return (db, patches) => write(db, columnsOf(patches))
  const id = resource.columns.id as AnyPgColumn
  return (db, patches) =>
    db.transaction(async (tx) => {
      const ids = patches.map(({ columns }) => columns.id as string)
      const rows = (await tx
        .select(resource.selection as Record<string, AnyPgColumn>)
        .from(resource.table)
        .where(and(inArray(id, ids), isOwned(resource, ownerId)))
        .orderBy(id)
        .for('update')) as Row[]
      const byId = new Map(rows.map((row) => [row.id, row]))
      const refusals = patches.map(({ body, columns }): Outcome | undefined => {
        const row = byId.get(columns.id as string)
        // A row that is not there is told as that, by the statement.
        const faults = row ? ruleFaults(resource, mergePatch(row, body)) : []
        return faults.length > 0 ? failed(validationFailed(faults), columns.id as string) : undefined
      })
      return writeOthers(tx, patches, refusals, (inner, kept) => write(inner, columnsOf(kept)))
    })
}
