import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import t from 'tap'
import { toApiError } from '#src/db/errors.ts'
import { openDatabase } from '#src/db/open.ts'
import { Primary } from '#src/db/postgres/primary.ts'
import { readDatabaseUrl } from '#src/db/postgres/url.ts'
import { copyTemplate } from '#test/support/database.ts'
import { startServer, startWire } from '#test/support/wire.ts'

const startCopy = () => startWire(t, join(copyTemplate(t).DATA_DIR, 'pglite'))
const [one, other] = [await startCopy(), await startCopy()]
const gone = await startServer(t, () => {})
await gone.stop()
const portOf = ({ url }: { url: string }) => Number(new URL(url).port)
const urlOf = (...servers: { url: string }[]) =>
  `postgres://postgres@${servers.map((server) => `127.0.0.1:${portOf(server)}`).join(',')}/postgres`

/** Makes a server take no writes, as a standby does not, or take them again. */
async function setReadOnly({ url }: { url: string }, isReadOnly: boolean): Promise<void> {
  const client = postgres(url, { max: 1, fetch_types: false })
  await client`select set_config('default_transaction_read_only', ${isReadOnly ? 'on' : 'off'}, false)`
  await client.end()
}

async function switchTo(primary: { url: string }): Promise<void> {
  for (const server of [one, other]) await setReadOnly(server, server !== primary)
}

t.test('the server that takes writes is found among several, and followed', async (t) => {
  await switchTo(other)
  const primary = new Primary(readDatabaseUrl(urlOf(gone, one, other)))
  await primary.find()
  t.match(primary.options, { port: [portOf(other)] })
  t.equal(await primary.follow(), false, 'it is the same one still')
  await switchTo(one)
  t.same(await Promise.all([primary.follow(), primary.follow()]), [true, true])
  t.match(primary.options, { port: [portOf(one)] })
})

t.test('a single server is not queried', async (t) => {
  const primary = new Primary(readDatabaseUrl(gone.url))
  await primary.find()
  t.equal(await primary.follow(), false)
})

t.test('while none takes writes the search goes on, until one does or it is closed', async (t) => {
  for (const server of [one, other]) await setReadOnly(server, true)
  const primary = new Primary(readDatabaseUrl(urlOf(one, other, gone)))
  await t.rejects(primary.find(), { code: 'UNAVAILABLE' })
  const following = primary.follow()
  await switchTo(other)
  t.equal(await following, true)
  for (const server of [one, other]) await setReadOnly(server, true)
  const searching = primary.follow()
  primary.close()
  t.equal(await searching, false)
})

t.test('a server that does not let the role in says so, where none takes writes', async (t) => {
  const fields = 'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0'
  const head = Buffer.from('E\0\0\0\0')
  head.writeInt32BE(fields.length + 4, 1)
  const refusing = await startServer(t, (socket) =>
    socket.once('data', () => socket.end(Buffer.concat([head, Buffer.from(fields)])))
  )
  await t.rejects(new Primary(readDatabaseUrl(urlOf(gone, refusing))).find(), { code: '28P01' })
})

t.test('statements go to the server that took over', async (t) => {
  await switchTo(one)
  const { db, close } = await openDatabase({ url: urlOf(one, other), dataDir: '', poolMax: 2 })
  t.teardown(close)
  const write = () => db.execute(sql`create table if not exists moved (n integer)`)
  await write()
  await switchTo(other)
  t.match(
    await write().then(
      () => 'an answer',
      (error) => toApiError(error, () => undefined)
    ),
    { code: 'UNAVAILABLE' }
  )
  const hasMoved = async () =>
    write().then(
      () => true,
      () => false
    )
  while (!(await hasMoved()));
  const client = postgres(other.url, { max: 1, fetch_types: false })
  t.equal((await client`select to_regclass('moved')::text as name`)[0]?.name, 'moved')
  await client.end()
})
