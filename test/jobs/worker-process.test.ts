import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createDatabase, isPostgres } from '#test/support/database.ts'
import { type ServerProcess, startServerProcess } from '#test/support/server.ts'
import { startSharedWire } from '#test/support/wire.ts'

const { DATABASE_URL } = isPostgres ? await createDatabase(t) : { DATABASE_URL: (await startSharedWire(t)).url }
const env = { DATABASE_URL: DATABASE_URL as string, DATABASE_POOL_MAX: '2' }

t.test('a worker runs the jobs of a server that runs none, and stops in order', async (t) => {
  const admin = { ADMIN_EMAIL: 'root@example.com', ADMIN_PASSWORD: 'a password of nine words' }
  const server = startServerProcess(t, { ...env, ...admin, JOBS: 'off' })
  const address = await server.listens()
  const login = await fetch(`${address}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: admin.ADMIN_EMAIL, password: admin.ADMIN_PASSWORD })
  })
  const authorization = `Bearer ${((await login.json()) as { accessToken: string }).accessToken}`
  const asked = await fetch(`${address}/api/v1/users/export`, { headers: { authorization, prefer: 'respond-async' } })
  t.equal(asked.status, 202)
  const state = async () => {
    const answer = await fetch(`${address}${asked.headers.get('location')}`, { headers: { authorization } })
    return ((await answer.json()) as { state: string }).state
  }
  t.equal(await state(), 'queued')
  const worker = startServerProcess(t, env, ['worker'])
  while ((await state()) !== 'done') await sleep(20)
  t.match(worker.printed(), /Tenon runs jobs: .*export/)
  t.notMatch(worker.printed(), /listens/)
  worker.child.kill('SIGTERM')
  t.equal(await worker.ended, 0)
})

t.test('a worker that could run nothing does not start', async (t) => {
  const refuses = async ({ ended, complained }: ServerProcess) => ({ code: await ended, text: complained() })
  t.match(await refuses(startServerProcess(t, { DATA_DIR: t.testdir() }, ['worker'])), {
    code: 1,
    text: 'tenon: a worker needs DATABASE_URL: one process owns the embedded database\n'
  })
  t.match(await refuses(startServerProcess(t, { ...env, JOBS: 'off' }, ['worker'])), {
    code: 1,
    text: 'tenon: a worker needs JOBS=on: JOBS=off is for the servers beside it\n'
  })
})
