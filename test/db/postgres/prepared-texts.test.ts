import { sql } from 'drizzle-orm'
import t from 'tap'
import { openDatabase } from '#src/db/open.ts'
import { CONNECTION_SECONDS, PreparedTexts } from '#src/db/postgres/prepared-texts.ts'
import { selectRaw } from '#src/db/rows.ts'
import { createDatabase, isPostgres } from '#test/support/database.ts'

t.test('a text is prepared from its second use on', async (t) => {
  const texts = new PreparedTexts({ most: 2, characters: 100 })
  t.same(
    ['a', 'a', 'b', 'a', 'b'].map((text) => texts.isPrepared(text, 0)),
    [false, true, false, true, true]
  )
})

t.test('there is a number of places, and of characters', async (t) => {
  const few = new PreparedTexts({ most: 2, characters: 100 })
  for (const text of ['a', 'b', 'c']) few.isPrepared(text, 0)
  t.same(
    ['b', 'c', 'a', 'b'].map((text) => few.isPrepared(text, 1000)),
    [true, true, false, true]
  )
  const short = new PreparedTexts({ most: 10, characters: 10 })
  const long = 'x'.repeat(11)
  t.same(
    [long, long, 'ab', 'ab', '123456789', '123456789'].map((text) => short.isPrepared(text, 0)),
    [false, false, false, true, false, false]
  )
  t.equal(short.size, 1)
})

t.test('a place is free when no connection that used its text lives any more', async (t) => {
  const texts = new PreparedTexts({ most: 2, characters: 100 })
  for (const text of ['a', 'a', 'b', 'b']) texts.isPrepared(text, 0)
  const later = CONNECTION_SECONDS * 1000
  texts.isPrepared('b', later)
  texts.isPrepared('c', later)
  t.equal(texts.isPrepared('c', later), false)
  t.equal(texts.isPrepared('c', later + 120_000), true)
  t.equal(texts.isPrepared('b', later + 120_000), true, 'what is used stays')
  t.equal(texts.isPrepared('a', later + 120_000), false)
  t.equal(texts.isPrepared('a', later + 120_000), false)
  t.equal(texts.size, 2)
})

const title = 'texts without end, in transactions too, leave a bounded number of statements in a connection'
t.test(title, { skip: !isPostgres && 'needs a PostgreSQL' }, async (t) => {
  const { DATABASE_URL: url } = await createDatabase(t)
  const { db, close } = await openDatabase({ url, dataDir: '', poolMax: 1 })
  t.teardown(close)
  const count = async () =>
    (await selectRaw<{ count: number }>(db, sql`select count(*)::int as count from pg_prepared_statements`))[0]
      ?.count as number
  // drizzle prepares statements that have a name, postgres.js those that have parameters.
  const use = (on: Pick<typeof db, 'select'>, number: number) =>
    on
      .select({ one: sql`1` })
      .from(sql`(select ${number}::int) as ${sql.identifier(`made up ${number}`)}`)
      .prepare('made up')
      .execute()
  for (let number = 0; number < 600; number += 1) for (const _ of [1, 2]) await use(db, number)
  const half = await count()
  t.ok(half >= 600 && half < 620, `${half}`)
  for (let number = 600; number < 1_200; number += 1)
    await db.transaction(async (tx) => {
      for (const _ of [1, 2]) await use(tx, number)
    })
  const all = await count()
  t.ok(all >= 1_000 && all < 1_020, `${all}`)
})
