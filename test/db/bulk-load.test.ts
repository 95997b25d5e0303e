import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { bulkLoadPostgres, copyCell, fillTable } from '#src/db/bulk-load.ts'
import { openDatabase } from '#src/db/open.ts'
import { Primary } from '#src/db/postgres/primary.ts'
import { readDatabaseUrl } from '#src/db/postgres/url.ts'
import { selectRaw } from '#src/db/rows.ts'
import { copyTemplate, createDatabase } from '#test/support/database.ts'
import { startWire } from '#test/support/wire.ts'

const { DATABASE_URL, DATA_DIR } = await createDatabase(t)
const { db, bulkLoad, close } = await openDatabase({ url: DATABASE_URL, dataDir: DATA_DIR, poolMax: 2 })
t.teardown(close)

await db.execute(sql`create table parents (id integer primary key, name text)`)
await db.execute(sql`insert into parents values (1, 'one')`)
await db.execute(
  sql`create table children (id integer primary key, name text unique, parent integer constraint children_parent references parents (id))`
)
await db.execute(sql`create index children_name_idx on children (name desc, id) where id > 0`)
await db.execute(sql`create index children_parent_idx on children (parent)`)
await db.execute(
  sql`create trigger told after insert on children referencing new table as new_rows for each statement execute function tenon_record_events('children', 'child', '', '{}')`
)

const COLUMNS = ['id', 'name', 'parent']
const chunksOf = (from: number, count: number, parent = 1) =>
  Array.from({ length: count }, (_, index) => `${from + index}\tname ${from + index}\t${parent}\n`)
const fill = async (from: number, count: number, parent?: number) => {
  const steps: string[] = []
  await bulkLoad((load) =>
    fillTable(
      load,
      { table: 'children', columns: COLUMNS, count, chunks: chunksOf(from, count, parent) },
      (what) => void steps.push(what)
    )
  )
  return steps
}
const shape = () =>
  selectRaw(
    db,
    sql`select pg_get_indexdef(indexrelid) as definition from pg_index where indrelid = 'children'::regclass
      union all select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'children'::regclass
      union all select tgname || tgenabled::text from pg_trigger where tgrelid = 'children'::regclass and not tgisinternal order by 1`
  )

t.test('few rows are copied into the table as it is, without events', async (t) => {
  t.same(await fill(1, 10), ['statistics'])
  t.equal(await db.$count(sql.identifier('children')), 10)
  t.equal(await db.$count(sql.identifier('events')), 0)
})

t.test('for many rows indexes and foreign keys are made anew, and are the same afterwards', async (t) => {
  const before = await shape()
  t.same(await fill(1000, 12_000), [
    'index children_name_idx',
    'index children_parent_idx',
    'foreign key children_parent',
    'statistics'
  ])
  t.same(await shape(), before)
  t.equal(await db.$count(sql.identifier('children')), 12_010)
  t.same(await fill(500_000, 10_000), ['statistics'], 'where there are more already they stay')
})

t.test('what is refused leaves all as it was', async (t) => {
  const before = await shape()
  await t.rejects(fill(1, 10))
  await t.rejects(fill(1_000_000, 30_000, 7), 'a reference to a row that is not there')
  await t.rejects(
    bulkLoad(async ({ tx }) => {
      await tx.execute(sql`delete from children`)
      throw new Error('no')
    }),
    { message: 'no' }
  )
  t.same(await shape(), before)
  t.equal(await db.$count(sql.identifier('children')), 22_010)
})

t.test('cells come back as they were', async (t) => {
  await db.execute(sql`create table cells (id integer, value text, list text[])`)
  const values = ['plain', 'a\tb\nc\rd\\e\\N', '', null, undefined, 'ß😀']
  const lines = values.map((value, id) => `${id}\t${copyCell(value)}\t${copyCell(['a"b\\c', null, `${id}`])}\n`)
  await bulkLoad(({ copy }) => copy('cells', ['id', 'value', 'list'], lines))
  const rows = await selectRaw<{ value: string | null; list: string[] }>(
    db,
    sql`select value, to_json(list) as list from cells order by id`
  )
  t.same(
    rows.map(({ value }) => value),
    values.map((value) => value ?? null)
  )
  t.same(rows[3]?.list, ['a"b\\c', null, '3'])
  t.equal(copyCell([[1, 2], [3]]), '{{"1","2"},{"3"}}')
  await bulkLoad(({ copy }) => copy('cells', ['id'], []))
  t.equal(await db.$count(sql.identifier('cells')), values.length)
  await bulkLoad(({ copy }) => copy('cells', ['id', 'value'], [`7\t${'x'.repeat(9_000_000)}\n`, '8\ty\n']))
  t.equal(await db.$count(sql.identifier('cells')), values.length + 2, 'more than is copied at once')
})

t.test('the embedded database copies nothing on a disk that is nearly full', async (t) => {
  let free = 1e12
  const full = await openDatabase({ dataDir: copyTemplate(t).DATA_DIR, poolMax: 1, freeBytes: () => free })
  t.teardown(full.close)
  free = 1e6
  await t.rejects(
    full.bulkLoad(({ copy }) => copy('categories', ['id'], ['x\n'])),
    {
      name: 'DataDirectoryError',
      message: /has 0 MB left/
    }
  )
})

const loadThrough = (url: string) => (lines: Iterable<string>) =>
  bulkLoadPostgres(new Primary(readDatabaseUrl(url)), async ({ tx, copy }) => {
    await tx.execute(sql`create table if not exists "some rows" (id integer primary key, "a name" text)`)
    await copy('some rows', ['id', 'a name'], lines)
    return tx.$count(sql.identifier('some rows'))
  })

function* brokenLines(): Iterable<string> {
  yield '3\tthree\n'
  throw new Error('no more')
}

t.test('a PostgreSQL gets the lines as they are made, and none where one is refused', async (t) => {
  const { url } = await startWire(t, join(copyTemplate(t).DATA_DIR, 'pglite'))
  const load = loadThrough(url)
  t.equal(await load(['1\tone\n', '2\ttwo\n']), 2)
  await t.rejects(load(['3\tthree\n', '1\tagain\n']), { code: '23505' })
  await t.rejects(load(brokenLines()), { message: 'no more' })
  t.equal(await load(['3\tthree\n']), 3)
})

for (const text of ['create table', 'four']) {
  t.test(`a connection that is lost at '${text}' rejects the load, and not the process`, async (t) => {
    const { url, silenceAt, hasFallenSilent, cut } = await startWire(t, join(copyTemplate(t).DATA_DIR, 'pglite'))
    silenceAt(text)
    const lost = loadThrough(url)(['4\tfour\n'])
    await hasFallenSilent()
    cut()
    await t.rejects(lost, { code: 'CONNECTION_CLOSED' })
  })
}
