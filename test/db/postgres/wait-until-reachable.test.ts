import { sql } from 'drizzle-orm'
import t from 'tap'
import { openDatabase } from '#src/db/open.ts'
import { whenReachable } from '#src/db/postgres/wait-until-reachable.ts'
import { ApiError } from '#src/errors.ts'
import { startServer, startWire } from '#test/support/wire.ts'

t.test('work runs when the database becomes reachable, and the wait is reported once', async (t) => {
  const away = await startServer(t, () => {})
  await away.stop()
  const { url } = await startWire(t)
  const tried: string[] = []
  const said: string[] = []
  const answer = await whenReachable(
    async () => {
      const at = tried.length < 2 ? away.url : url
      tried.push(at)
      const { db, close } = await openDatabase({ url: at, dataDir: '', poolMax: 1 })
      return db.execute(sql`select 'here' as it`).finally(close)
    },
    (reason) => said.push(reason)
  )
  t.match(answer, [{ it: 'here' }])
  t.same(tried, [away.url, away.url, url])
  t.equal(said.length, 1)
  t.match(said[0], /^ECONNREFUSED/)
})

t.test('a server that does not answer in time is waited for as well', async (t) => {
  const failures = [
    new ApiError('UNAVAILABLE', 'No answer in time.'),
    new Error('wrapped', { cause: new ApiError('UNAVAILABLE') })
  ]
  const said: string[] = []
  const work = async () => {
    const failure = failures.shift()
    if (failure) throw failure
    return 'done'
  }
  t.equal(await whenReachable(work, (reason) => said.push(reason)), 'done')
  t.same(said, ['No answer in time.'])
})

t.test('an error that waiting does not solve is thrown at once', async (t) => {
  const failures = [
    new RangeError('ours'),
    new ApiError('OVERLOADED'),
    Object.assign(new Error('no'), { code: '28P01', severity: 'FATAL' }),
    Object.assign(new Error('no'), { code: '3D000', severity: 'FATAL' })
  ]
  for (const failure of failures) {
    await t.rejects(
      whenReachable(
        () => Promise.reject(failure),
        () => t.fail('waits')
      ),
      failure
    )
  }
})
