import t from 'tap'
import { toApiError } from '#src/db/errors.ts'
import { migratePostgres } from '#src/db/migrate.ts'
import { startServer } from '#test/support/wire.ts'

const answerOf = (migrated: Promise<void>) => migrated.catch((error) => toApiError(error, () => undefined) ?? error)

t.test('a server that closes every connection is given up in time', async (t) => {
  const { url } = await startServer(t, (socket) => socket.destroy())
  t.match(await answerOf(migratePostgres(url, false, 300)), { code: 'UNAVAILABLE' })
})

t.test('a server that never answers is given up in time', async (t) => {
  const { url } = await startServer(t, () => {})
  t.match(await answerOf(migratePostgres(url, false, 300)), { code: 'UNAVAILABLE' })
})

t.test('a server that refuses connections is given up at once', async (t) => {
  const { url, stop } = await startServer(t, () => {})
  await stop()
  t.match(await answerOf(migratePostgres(url)), { code: 'UNAVAILABLE' })
})
