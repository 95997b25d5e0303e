import { sql } from 'drizzle-orm'
import t from 'tap'
import type { Database, Listen } from '#src/db/database.ts'
import { addChangeTriggers, TableWatch, tablesWithoutTrigger } from '#src/db/notifications/table-changes.ts'
import { openDatabase } from '#src/db/open.ts'
import { createDatabase } from '#test/support/database.ts'

const { DATABASE_URL: url, DATA_DIR: dataDir } = await createDatabase(t)
const { db, listen, close } = await openDatabase({ url, dataDir, poolMax: 3 })
t.teardown(close)
const noWait = () => {}
const turn = () => new Promise(setImmediate)

t.test('every write of a told table is heard, and no other', async (t) => {
  t.same(await tablesWithoutTrigger(db, ['categories', 'items']), ['categories', 'items'])
  await Promise.all([addChangeTriggers(db, ['categories'], noWait), addChangeTriggers(db, ['categories'], noWait)])
  t.same(await tablesWithoutTrigger(db, ['categories', 'items']), ['items'])
  await addChangeTriggers(db, ['categories'], noWait)
  t.same(await tablesWithoutTrigger(db, ['categories', 'items']), ['items'], 'a table is told once')
  const heard: (string | undefined)[] = []
  const watch = new TableWatch(db, listen, (table) => void heard.push(table), { pingMs: 5, deafMs: 60_000 })
  await watch.start()
  t.same(heard.splice(0), [undefined], 'before that anything may have been missed')
  const before = performance.now()
  for (const statement of [
    sql`insert into categories (id, name) values (gen_random_uuid(), 'a')`,
    sql`update categories set name = 'b'`,
    sql`delete from categories`,
    sql`truncate categories cascade`
  ]) {
    await db.execute(statement)
    while (heard.length === 0) await turn()
    t.same(heard.splice(0), ['categories'])
  }
  await db.execute(sql`delete from items`)
  while (watch.receivedUntil < before) await turn()
  await watch.close()
})

t.test(
  'without a listener nothing is believed; a deaf one is replaced, and then anything may have changed',
  async (t) => {
    let listens = 0
    let begin = () => {}
    let isDeaf = false
    const listenBadly: Listen = async (channel, onMessage, onListening) => {
      listens += 1
      if (listens === 1) throw new Error('refused')
      begin = onListening
      return listen(channel, (text) => isDeaf || onMessage(text), onListening)
    }
    const heard: (string | undefined)[] = []
    const watch = new TableWatch(db, listenBadly, (table) => void heard.push(table), { pingMs: 1, deafMs: 50 })
    await watch.start()
    t.equal(watch.receivedUntil, -Infinity)
    while (watch.receivedUntil === -Infinity) await turn()
    t.ok(heard.splice(0).includes(undefined))
    begin()
    t.same(heard.splice(0), [undefined], 'the connection was cut and is back')
    isDeaf = true
    const [until, count] = [watch.receivedUntil, listens]
    while (listens === count) await turn()
    isDeaf = false
    while (watch.receivedUntil === until) await turn()
    t.ok(heard.includes(undefined))
    await watch.close()
  }
)

t.test('what was heard before a sleep proves nothing, and after it anything may have changed', async (t) => {
  const heard: (string | undefined)[] = []
  const times = { pingMs: 1, deafMs: 60_000, idleMs: 20 }
  const listenOnce: Listen = async (...args) => {
    const { close } = await listen(...args)
    return {
      close: async () => {
        await close()
        throw new Error('lost already')
      }
    }
  }
  const watch = new TableWatch(db, listenOnce, (table) => void heard.push(table), times)
  await watch.start()
  while (watch.receivedUntil === -Infinity) await turn()
  while (!watch.isAsleep) await turn()
  heard.length = 0
  t.equal(watch.receivedUntil, -Infinity)
  while (watch.receivedUntil === -Infinity) await turn()
  t.same(heard, [undefined])
  await watch.close().catch(() => {})
})

t.test('a ping that cannot be sent is tried again', async () => {
  let failures = 0
  const broken = new Proxy(db, {
    get(target, name) {
      if (name !== 'execute' || failures > 2) return Reflect.get(target, name, target).bind(target)
      failures += 1
      return async () => {
        throw new Error('down')
      }
    }
  }) as Database
  const watch = new TableWatch(broken, listen, () => {}, { pingMs: 1, deafMs: 60_000 })
  await watch.start()
  while (watch.receivedUntil === -Infinity) await turn()
  await watch.close()
})
