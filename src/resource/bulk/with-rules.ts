import { and, inArray } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { type ApiError, validationFailed } from '#src/errors.ts'
import { mergeJsonFields, patchesJson } from '../json-fields.ts'
import type { Columns, Resource, Row } from '../model.ts'
import { isOwned } from '../rows/ownership.ts'
import { mergePatch, ruleFaults } from '../rules.ts'
import { failed, type Outcome } from './outcome.ts'
import type { Sent } from './prepare.ts'
import { type Write, writeOthers } from './settle.ts'

/**
 * Merges the patches of JSON fields into the stored values, and lets a statement write only the items that, merged into
 * their rows, are valid and keep the resource's rules. With JSON patches or rules this takes one more statement, which
 * reads the rows and locks them until they are changed.
 */
export function withRules(resource: Resource, ownerId: string | undefined, write: Write<Columns>): Write<Sent> {
  const columnsOf = (patches: Sent[]) => patches.map(({ columns }) => columns)
  const id = resource.columns.id as AnyPgColumn
  return (db, patches) => {
    const isMerged = resource.declaration.rules || patches.some(({ body }) => patchesJson(resource, body))
    if (!isMerged) return write(db, columnsOf(patches))
    return db.transaction(async (tx) => {
      const ids = patches.map(({ columns }) => columns.id as string)
      const rows = (await tx
        .select(resource.selection as Record<string, AnyPgColumn>)
        .from(resource.table)
        .where(and(inArray(id, ids), isOwned(resource, ownerId)))
        .orderBy(id)
        .for('update')) as Row[]
      const byId = new Map(rows.map((row) => [row.id, row]))
      const merged = patches.map(({ body, columns }) => {
        const row = byId.get(columns.id as string)
        // The statement itself reports a row that does not exist.
        return row ? mergeInto(resource, row, { body, columns }) : { body, columns }
      })
      const refusals = merged.map((one, index): Outcome | undefined =>
        'error' in one ? failed(one.error, patches[index]?.columns.id as string) : undefined
      )
      return writeOthers(tx, merged as Sent[], refusals, (inner, kept) => write(inner, columnsOf(kept)))
    })
  }
}

function mergeInto(resource: Resource, row: Row, { body, columns }: Sent): Sent | { error: ApiError } {
  const merged = mergeJsonFields(resource, row, body, columns)
  if ('error' in merged) return merged
  const faults = ruleFaults(resource, mergePatch(row, merged.body))
  return faults.length > 0 ? { error: validationFailed(faults) } : merged
}
