import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { PGlite } from '@electric-sql/pglite'
import { sql } from 'drizzle-orm'
import postgres, { type PendingQuery } from 'postgres'
import type { Transaction } from './database.ts'
import { DataDirectoryError } from './embedded/client.ts'
import type { Disk } from './embedded/disk.ts'
import { findPgError, isLostConnection } from './errors.ts'
import type { Primary } from './postgres/primary.ts'
import { ignoreNotice } from './postgres/url.ts'
import { selectRaw } from './rows.ts'

/** A transaction without time limits, in which tables are filled. */
export interface BulkLoad {
  tx: Transaction
  /** Copies rows into columns of a table. @param chunks lines of the text format of COPY, whole ones. */
  copy(table: string, columns: string[], chunks: Iterable<string>): Promise<void>
}

/** Does work in a transaction of its own, which is rolled back when the work fails. */
export type RunBulkLoad = <T>(work: (load: BulkLoad) => Promise<T>) => Promise<T>

/** Runs a bulk load on a PostgreSQL, on a connection of its own. */
export async function bulkLoadPostgres<T>(primary: Primary, work: (load: BulkLoad) => Promise<T>): Promise<T> {
  const { drizzle } = await import('drizzle-orm/postgres-js')
  const client = postgres({ ...primary.options, max: 1, fetch_types: false, prepare: false, onnotice: ignoreNotice })
  try {
    const done = await client.begin(async (own) => {
      // drizzle sets parsers on the options, which a transaction of postgres.js does not show.
      const tx = drizzle({ client: Object.assign(own, { options: client.options }) as never }) as unknown as Transaction
      await tx.execute(sql`select set_config('statement_timeout', '0', true)`)
      const copy: BulkLoad['copy'] = (table, columns, chunks) =>
        send(own`copy ${own(table)} (${own(columns)}) from stdin`, chunks)
      return work({ tx, copy }).catch(leaveLost)
    })
    return done as T
  } finally {
    await client.end({ timeout: 1 })
  }
}

// postgres.js rejects a transaction on a connection that is lost, and would send its rollback there, which ends the process.
async function leaveLost(error: unknown): Promise<never> {
  if (isLostConnection(findPgError(error) ?? {})) await new Promise(() => {})
  throw error
}

async function send(query: PendingQuery<[]>, chunks: Iterable<string>): Promise<void> {
  const target = await query.writable()
  // The query has settled with the stream, so postgres.js rejects in vain what the server refuses after the last line.
  const { promise: refused, reject } = Promise.withResolvers<never>()
  Object.assign(query, { reject })
  let ownFault: unknown
  function* noted() {
    try {
      yield* chunks
    } catch (error) {
      ownFault = error
      throw error
    }
  }
  // postgres.js writes that the copy is given up to a connection that is lost, too, which ends the process.
  const giveUp = target._destroy
  target._destroy = (error, done) => (error === ownFault ? giveUp.call(target, error, done) : done(error))
  await Promise.race([pipeline(Readable.from(noted()), target), refused])
}

/** The length of what PGlite copies at once: it is in memory as a whole. */
const BLOB_LENGTH = 8_000_000

/** Runs a bulk load on the embedded database. @throws DataDirectoryError where its disk has too little room. */
export async function bulkLoadEmbedded<T>(
  client: PGlite,
  disk: Disk,
  work: (load: BulkLoad) => Promise<T>
): Promise<T> {
  const { drizzle } = await import('drizzle-orm/pglite')
  const { PgDialect } = await import('drizzle-orm/pg-core')
  const dialect = new PgDialect()
  return client.transaction(async (own) => {
    return work({
      tx: drizzle({ client: own as never }) as unknown as Transaction,
      async copy(table, columns, chunks) {
        const names = sql.join(
          columns.map((name) => sql.identifier(name)),
          sql`, `
        )
        const statement = dialect.sqlToQuery(sql`copy ${sql.identifier(table)} (${names}) from '/dev/blob'`).sql
        const send = (parts: string[]) => {
          const complaint = disk.complaint()
          if (complaint) throw new DataDirectoryError(complaint)
          return own.query(statement, [], { blob: new Blob(parts) })
        }
        let [waiting, length]: [string[], number] = [[], 0]
        for (const chunk of chunks) {
          waiting.push(chunk)
          length += chunk.length
          if (length < BLOB_LENGTH) continue
          await send(waiting)
          waiting = []
          length = 0
        }
        if (waiting.length > 0) await send(waiting)
      }
    })
  })
}

/** Many new rows of a table. */
export interface NewRows {
  table: string
  columns: string[]
  /** How many there are. */
  count: number
  chunks: Iterable<string>
}

// To build an index again takes less time than to add many rows to it: 1,000,000 products with all of theirs take half.
const WORTH_REBUILDING = 10_000
const MEMORY = '1GB'

/**
 * Fills a table. No events are written for its new rows. Where they are many, and more than those that are there, indexes
 * and foreign keys are made anew afterwards, so the table is locked until the transaction ends.
 * @param onStep told what is being done, in a few words.
 */
export async function fillTable({ tx, copy }: BulkLoad, rows: NewRows, onStep: (what: string) => void): Promise<void> {
  const { table, columns, count, chunks } = rows
  const name = sql.identifier(table)
  const triggers = await eventTriggers(tx, table)
  for (const trigger of triggers) await tx.execute(sql`alter table ${name} disable trigger ${sql.identifier(trigger)}`)
  const rebuilt = count >= WORTH_REBUILDING && count > (await tx.$count(name)) ? await takeOff(tx, table) : []
  await copy(table, columns, chunks)
  await tx.execute(sql`select set_config('maintenance_work_mem', ${MEMORY}, true)`)
  for (const { what, definition } of rebuilt) {
    onStep(what)
    await tx.execute(definition)
  }
  for (const trigger of triggers) await tx.execute(sql`alter table ${name} enable trigger ${sql.identifier(trigger)}`)
  onStep('statistics')
  await tx.execute(sql`analyze ${name}`)
}

async function eventTriggers(tx: Transaction, table: string): Promise<string[]> {
  const rows = await selectRaw<{ name: string }>(
    tx,
    sql`select tgname as name from pg_trigger join pg_proc on pg_proc.oid = tgfoid
      where tgrelid = ${table}::regclass and proname = 'tenon_record_events' and tgenabled <> 'D'`
  )
  return rows.map(({ name }) => name)
}

interface TakenOff {
  what: string
  definition: string
}

// Takes off what can be made again from its definition alone: indexes that hold no constraint, and foreign keys. A key is
// checked by one join then, and not by a statement for each row.
async function takeOff(tx: Transaction, table: string): Promise<TakenOff[]> {
  const name = sql.identifier(table)
  const indexes = await selectRaw<{ name: string; definition: string }>(
    tx,
    sql`select relname as name, pg_get_indexdef(indexrelid) as definition
      from pg_index join pg_class on pg_class.oid = indexrelid
      where indrelid = ${table}::regclass and not indisunique and not indisexclusion and indisvalid`
  )
  const keys = await selectRaw<{ name: string; definition: string }>(
    tx,
    sql`select conname as name, format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as definition
      from pg_constraint where conrelid = ${table}::regclass and contype = 'f' and convalidated`
  )
  for (const one of indexes) await tx.execute(sql`drop index ${sql.identifier(one.name)}`)
  for (const one of keys) await tx.execute(sql`alter table ${name} drop constraint ${sql.identifier(one.name)}`)
  return [
    ...indexes.map((one) => ({ what: `index ${one.name}`, definition: one.definition })),
    ...keys.map((one) => ({ what: `foreign key ${one.name}`, definition: one.definition }))
  ]
}

const SPECIAL = /[\\\t\n\r]/
const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** A value of JSON as a cell of the text format of COPY: PostgreSQL reads it as its column has it. A list is an array. */
export function copyCell(value: unknown): string {
  if (value === null || value === undefined) return '\\N'
  const text = Array.isArray(value) ? arrayText(value) : String(value)
  return SPECIAL.test(text) ? text.replace(/[\\\t\n\r]/g, (one) => ESCAPES[one] as string) : text
}

function arrayText(list: unknown[]): string {
  const element = (one: unknown) => {
    if (Array.isArray(one)) return arrayText(one)
    return one === null ? 'NULL' : `"${String(one).replace(/["\\]/g, '\\$&')}"`
  }
  return `{${list.map(element).join()}}`
}
