import t from 'tap'
import type { Database, Listen } from '#src/db/database.ts'
import { openDatabase } from '#src/db/open.ts'
import { ReadYourWrites } from '#src/db/replicas/read-your-writes.ts'
import { createDatabase } from '#test/support/database.ts'

const { DATABASE_URL: url, DATA_DIR: dataDir } = await createDatabase(t)
const { db, listen, close } = await openDatabase({ url, dataDir, poolMax: 3 })
t.teardown(close)
const turn = () => new Promise(setImmediate)

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await turn()
}

/** Counts the statements of a database, pings apart. */
function counted(isBroken = false) {
  const count = { statements: 0 }
  const counting = new Proxy(db, {
    get(target, name) {
      if (name !== 'execute') return Reflect.get(target, name, target)
      return async (statement: never) => {
        if (!JSON.stringify(statement).includes('ping:')) count.statements += 1
        if (isBroken) throw new Error('down')
        return target.execute(statement)
      }
    }
  }) as Database
  return { count, counting }
}

t.test('all instances know a writer when its change is answered, and forget it later', async (t) => {
  const times = { knownMs: 60_000, toldMs: 60_000, lagMs: 60_000 }
  const { counting, count } = counted()
  const [one, other] = [
    new ReadYourWrites(counting, listen, times),
    new ReadYourWrites(db, listen, { ...times, knownMs: 1 })
  ]
  t.ok(one.mustReadPrimary('a'), 'whoever hears nothing knows nothing')
  await Promise.all([one.start(), other.start()])
  await until(() => !one.mustReadPrimary('a') && !other.mustReadPrimary('a'))
  await Promise.all([one.wrote('a'), one.wrote('a'), one.wrote('b')])
  t.ok(one.mustReadPrimary('a') && one.mustReadPrimary('b'))
  t.notOk(one.mustReadPrimary('c'))
  await until(() => !other.mustReadPrimary('a'))

  const before = count.statements
  await Promise.all([one.wrote('a'), one.wrote('b')])
  await turn()
  t.equal(count.statements, before, 'they are known already')
  await Promise.all([one.close(), other.close()])
})

t.test('a writer that writes again stays known', async (t) => {
  const writers = new ReadYourWrites(db, listen, { knownMs: 60_000, toldMs: 0, lagMs: 60_000 })
  await writers.start()
  await writers.wrote('a')
  await writers.wrote('a')
  t.ok(writers.mustReadPrimary('a'))
  await writers.close()
})

t.test(
  'writers are not known while no notification arrives, so every read goes to the primary for a while',
  async (t) => {
    let begin = () => {}
    const listenAgain: Listen = (channel, onMessage, onListening) => {
      begin = onListening
      return listen(channel, onMessage, onListening)
    }
    const writers = new ReadYourWrites(db, listenAgain, { knownMs: 60_000, toldMs: 0, lagMs: 5000 })
    await writers.start()
    await until(() => !writers.mustReadPrimary('a'))
    begin()
    t.ok(writers.mustReadPrimary('a'), 'the connection was cut and is back')
    await writers.close()
  }
)

t.test('a write that cannot be announced is answered once no replica is behind it', async (t) => {
  const deaf: Listen = async () => ({ close: async () => {} })
  const times = { knownMs: 60_000, toldMs: 0, lagMs: 20 }
  for (const { counting } of [counted(false), counted(true)]) {
    const writers = new ReadYourWrites(counting, deaf, times)
    await Promise.all([writers.wrote('a'), writers.wrote('b')])
    t.ok(writers.mustReadPrimary('a'))
    await writers.close()
  }
})
