import { inArray, type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { asArrays } from '#src/db/rows.ts'
import { type Cause, causesText, isCaused } from '#src/events/cause.ts'
import type { ResourceContext } from '../context.ts'
import type { NewRow, Stored } from '../model.ts'
import { bareName, commaList, jsonRows, usedColumns } from './sql.ts'

/** How many rows are read by one statement at most. */
export const MAX_KEYS = 16

// Each key is a parameter, and statements have few different numbers of keys. PostgreSQL does not know the length of an
// array parameter, so it would plan every statement anew, which takes longer than reading the rows.
const SIZES = [1, 4, MAX_KEYS]

/** Rows by their ids, 16 at most, of any owner. */
export async function readStored({ resource, db, statements }: ResourceContext, ids: string[]) {
  const { selection, read } = resource.stored
  const size = SIZES.find((one) => ids.length <= one) as number
  const statement = statements.get(`read ${size}`, (name) => {
    const keys = Array.from({ length: size }, (_, index) => sql.placeholder(`k${index}`))
    return asArrays(
      db
        .select(selection)
        .from(resource.table)
        .where(inArray(resource.columns.id as AnyPgColumn, keys))
        .prepare(name)
    )
  })
  const values: Record<string, unknown> = {}
  for (let index = 0; index < size; index += 1) values[`k${index}`] = ids[index] ?? ids[0]
  const rows = (await statement.execute(values)) as unknown[][]
  return new Map(
    rows.map((row) => {
      const stored = read(row)
      return [stored['@key'], stored]
    })
  )
}

/** Inserts rows that all have the same columns, with one statement; all or none. */
export async function insertStored({ resource, db, statements }: ResourceContext, news: NewRow[]): Promise<Stored[]> {
  const { events } = resource.declaration
  const rows = news.map(({ values }) => values)
  const { selection, read } = resource.stored
  const used = usedColumns(resource, rows.slice(0, 1))
  const statement = statements.get(`insert ${used.map(({ name }) => name).join()}`, (name) => {
    const { table } = resource
    const names = commaList(used.map(bareName))
    const fields = Object.entries(selection)
    const inserted = db.$with('inserted', selection as never).as(sql`
      insert into ${table} (${names})
      select ${names} from jsonb_populate_recordset(null::${table}, ${sql.placeholder('rows')}::jsonb)
      ${events ? sql`where ${isCaused(sql.placeholder('causes'))}` : sql``}
      returning ${commaList(fields.map(([name, one]) => sql`${one} as ${sql.identifier(name)}`))}`)
    const answered: [string, SQL][] = fields.map(([name]) => [name, sql`${sql.identifier(name)}`])
    return asArrays(db.with(inserted).select(Object.fromEntries(answered)).from(inserted).prepare(name))
  })
  const causes = events && causesText(news.map(({ values, cause }) => [values.id as string, cause as Cause]))
  const answers = ((await statement.execute({ rows: jsonRows(resource, rows), causes })) as unknown[][]).map(read)
  // One row needs no look for which is which; of many the order of the answer is not promised.
  if (rows.length === 1) return answers
  const byId = new Map(answers.map((answer) => [answer['@key'], answer]))
  return rows.map(({ id }) => byId.get(id as string) as Stored)
}
