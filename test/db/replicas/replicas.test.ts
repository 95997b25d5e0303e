import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { categories } from '#routes/api/v1/categories/table.ts'
import { buildApp } from '#src/app.ts'
import { openDatabase } from '#src/db/open.ts'
import { Replicas } from '#src/db/replicas/replicas.ts'
import { createFirstAdmin } from '#src/identity/users.ts'
import { makeSend, type Send, testConfig } from '#test/support/app.ts'
import { programs, startPair } from '#test/support/standby.ts'
import { noteStatements } from '#test/support/statements.ts'
import { startServer, startSharedWire } from '#test/support/wire.ts'

// What is refused because the machine is busy was not begun.
function insist(send: Send): Send {
  return async (...request) => {
    const answer = await send(...request)
    return answer.body?.error?.code === 'OVERLOADED' ? insist(send)(...request) : answer
  }
}

const turn = () => new Promise(setImmediate)
const ADMIN = { email: 'root@example.com', password: 'a password of nine words' }

async function until(isTrue: () => unknown): Promise<void> {
  while (!(await isTrue())) await turn()
}

// A standby as far as the functions for its position go; its rows differ, so that a read shows which server answered.
async function startFake() {
  const wire = await startSharedWire(t)
  await wire.database.exec(`
    create schema fake;
    create table fake.standby as select true as is_one, 1e15::numeric as reached;
    create function fake.pg_is_in_recovery() returns bool language sql as 'select is_one from fake.standby';
    create function fake.pg_last_wal_replay_lsn() returns pg_lsn language sql
      as $$select '0/0'::pg_lsn + reached from fake.standby$$;
    set search_path = fake, pg_catalog, public;
    insert into categories (id, name) values (gen_random_uuid(), 'on the standby')`)
  const become = (assignment: string) => wire.database.exec(`update fake.standby set ${assignment}`)
  return { ...wire, become }
}

t.test('statements go to a standby that is proven to be near, and to the primary otherwise', async (t) => {
  const [main, fake] = await Promise.all([startSharedWire(t), startFake()])
  const primary = await openDatabase({ url: main.url, dataDir: '', poolMax: 2 })
  t.teardown(() => primary.close())
  const lines: { level: string; reason?: string; text: string }[] = []
  const note = (level: string) => (about: object, text: string) => void lines.push({ level, text, ...about })
  const nobody = await startServer(t, (socket) => socket.destroy())
  const options = { url: main.url, primary: primary.db, poolMax: 2, log: { warn: note('warn'), info: note('info') } }
  const times = { everyMs: 5, toleratedMs: 300, logEveryMs: 60_000 }
  const replicas = await Replicas.open({ ...options, urls: [nobody.url, fake.url] }, times)
  t.teardown(() => replicas.close())
  const whereRead = async () => ((await replicas.db.select().from(categories))[0] ? 'standby' : 'primary')
  const isRead = (where: string) => until(async () => (await whereRead()) === where)

  t.match(lines[0], { reason: 'it does not answer', text: 'a replica is not used' })
  await isRead('standby')
  await replicas.db.execute(sql`select 1`)

  await fake.become('reached = 0')
  await isRead('primary')
  await until(() => lines.some(({ reason }) => reason === 'it lags'))
  await fake.become('reached = 1e15')
  await isRead('standby')
  await until(() => lines.some(({ text }) => text === 'a replica is used again'))

  await fake.become('is_one = false')
  await until(() => lines.some(({ reason }) => reason === 'it is no standby'))
  t.equal(await whereRead(), 'primary')
  await fake.become('is_one = true')
  await isRead('standby')

  // What it cannot answer, the primary can.
  await fake.database.exec('alter table categories rename to others')
  t.equal(await whereRead(), 'primary')
  await fake.database.exec('alter table others rename to categories')
  await isRead('standby')

  // Without its primary the lag of a standby is unknown.
  const unproven = await Replicas.open({ ...options, url: nobody.url, urls: [fake.url] }, times)
  t.notOk(unproven.areUsable)
  await unproven.close()

  // Without reads the replicas are not checked, so none is proven; the first read that could use one starts the checks.
  const lazy = await Replicas.open({ ...options, urls: [fake.url] }, { ...times, toleratedMs: 30, idleMs: 20 })
  do await sleep(100)
  while (lazy.areUsable)
  await until(() => lazy.areUsable)
  await lazy.close()

  // A read that waits for a standby is answered also when the standby falls silent.
  fake.silence()
  await isRead('primary')
  await until(() => !replicas.areUsable)
  t.equal(await whereRead(), 'primary')
  await fake.stop()
})

t.test('the application reads from a standby what its caller did not change', async (t) => {
  const [main, fake] = await Promise.all([startSharedWire(t), startFake()])
  const config = testConfig({ DATABASE_URL: main.url, DATA_DIR: '' }, { DATABASE_REPLICA_URLS: fake.url })
  const app = await buildApp(config)
  t.teardown(() => app.close())
  const send = insist(makeSend(t, app))
  await createFirstAdmin(app.db, ADMIN.email, ADMIN.password)
  const { body } = await send('POST', '/api/v1/auth/login', { body: ADMIN })
  const as = body.accessToken
  const names = async (sent = {}) =>
    (await send('GET', '/api/v1/categories', sent)).body.data.map(({ name }: { name: string }) => name).join()
  await until(async () => (await names()) === 'on the standby')
  const created = await send('POST', '/api/v1/categories', { as, body: { name: 'on the primary' } })
  t.equal(created.status, 201)
  t.equal(await names({ as }), 'on the primary')
  await until(async () => (await names()) === 'on the standby')

  // What is left to a job is sent through the primary, although its caller may read from the standby.
  Object.assign(app.replicas as object, { serves: () => true })
  const later = await send('GET', '/api/v1/categories/export', { as, headers: { prefer: 'respond-async' } })
  t.equal(later.status, 202)

  // Through a pooler no notification arrives about writers on other instances: only anonymous callers read from a
  // standby.
  const DATABASE_URL = `${main.url}?pgbouncer=true`
  const pooled = await buildApp(testConfig({ DATABASE_URL, DATA_DIR: '' }, { DATABASE_REPLICA_URLS: fake.url }))
  t.teardown(() => pooled.close())
  await until(() => pooled.replicas?.serves(undefined))
  t.notOk(pooled.replicas?.serves('somebody'))
})

const skip = programs === undefined && 'initdb, postgres and pg_basebackup are not here'
t.test('a streaming standby: its lag, its loss, and what a caller wrote', { skip }, async (t) => {
  const { primary, standby } = await startPair(t)
  const env = { DATABASE_URL: primary.url, DATA_DIR: '' }
  const settings = { DATABASE_REPLICA_URLS: standby.url, JWT_ISSUER: 'http://tenon.test', MIGRATE_ON_START: 'true' }
  const start = async () => {
    const app = await buildApp(testConfig(env, settings))
    t.teardown(() => app.close())
    return { app, send: insist(makeSend(t, app)), statements: noteStatements(app) }
  }
  const [one, other] = [await start(), await start()]
  await createFirstAdmin(one.app.db, ADMIN.email, ADMIN.password)
  const { body } = await one.send('POST', '/api/v1/auth/login', { body: ADMIN })
  const as = body.accessToken
  const read = async () => (await one.send('GET', '/api/v1/categories?limit=200')).body.data.length
  // No statement of the primary's: it was read elsewhere.
  const readsElsewhere = async () => (await one.statements.of(read)).length === 0
  let made = 0

  async function writeAndRead(t: { equal(a: unknown, b: unknown): unknown }): Promise<void> {
    made += 1
    const [writer, reader] = made % 2 === 0 ? [one, other] : [other, one]
    const created = await writer.send('POST', '/api/v1/categories', { as, body: { name: `category ${made}` } })
    t.equal(created.status, 201)
    for (const { send } of [reader, writer]) {
      t.equal((await send('GET', created.headers.location as string, { as })).status, 200)
      const all = [
        await send('GET', '/api/v1/categories?count=exact', { as }).then(({ body }) => body.page.total),
        await send('GET', '/api/v1/categories/aggregate', { as }).then(({ body }) => body.data[0].count),
        await send('GET', '/api/v1/categories/export', { as }).then(({ text }) => text.trim().split('\n').length)
      ]
      t.equal(all.join(), [made, made, made].join())
    }
  }

  await until(readsElsewhere)
  for (let count = 0; count < 5; count += 1) await writeAndRead(t)
  await until(readsElsewhere)

  await standby.query('select pg_wal_replay_pause()')
  for (let count = 0; count < 5; count += 1) await writeAndRead(t)
  // Callers that wrote nothing see the change once the standby is too far behind to be used.
  await until(async () => (await read()) === made)
  t.notOk(one.app.replicas?.serves(undefined))
  await writeAndRead(t)
  await standby.query('select pg_wal_replay_resume()')
  await until(readsElsewhere)
  t.equal(await read(), made)

  const reads = (async () => {
    const seen = []
    while (one.app.replicas?.serves(undefined)) seen.push(await read())
    return [...seen, await read()]
  })()
  await standby.kill()
  t.same(new Set(await reads), new Set([made]))
  await writeAndRead(t)
  t.equal((await one.send('GET', '/readyz')).status, 200)
})
