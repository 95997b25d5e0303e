import { sql } from 'drizzle-orm'
import t from 'tap'
import bulkJob from '#src/resource/respond-async/bulk.job.ts'
import exportJob from '#src/resource/respond-async/export.job.ts'
import importJob from '#src/resource/respond-async/import.job.ts'
import { type Someone, startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t)
const OUTCOME = {
  progress: { done: 7, total: 7 },
  result: { secret: 7 },
  error: { code: 'X', message: 'x', details: [] }
}
const NOTHING = { progress: { done: 0, total: null }, result: null, error: null }
const FAR = 86_400

const keyOf = async ({ token }: Someone, ...scopes: string[]) => {
  const { body } = await send('POST', '/api/v1/api-keys', { as: token, body: { name: 'a key', scopes } })
  return { headers: { 'x-api-key': body.key as string } }
}

/** A job of a user that failed after it had written its outcome: all that a job can show. */
async function jobOf(kind: typeof bulkJob, operation: string, { id: userId }: Someone, scopes: string[]) {
  const principal = { userId, role: 'member', scopes, keyId: null }
  const asked = { operation, requestId: 'req-1', query: {}, contentType: null, accept: null, lines: 1, principal }
  const id = await app.jobs.send(kind, asked, { ownerId: userId, startAfter: FAR })
  await app.db.execute(
    sql`update job_common set state = 'completed', output = ${JSON.stringify({ value: OUTCOME.result, error: OUTCOME.error })}::jsonb where id = ${id}`
  )
  await app.db.execute(sql`insert into job_progress (job_id, done, total) values (${id}, 7, 7)`)
  return `/api/v1/jobs/${id}`
}

const kinds = [
  ['import', importJob, /^import/],
  ['export', exportJob, /^export/],
  ['bulk', bulkJob, /^bulk/]
] as const

const admin = await someone('admin')

for (const [kind, job, pattern] of kinds)
  t.test(`the outcome of each ${kind} is for those that could do it`, async (t) => {
    const operations = [...app.asyncOperations].filter(([name]) => pattern.test(name))
    t.ok(operations.length >= 3, operations.map(([name]) => name).join())
    const [jobsOnly, everything] = [await keyOf(admin, 'jobs:read', 'jobs:write'), await keyOf(admin, '*')]
    for (const [name, { access, allRows }] of operations) {
      // What is public needs no scope.
      const scope = access.includes(':') ? access : 'items:read'
      const all = allRows ?? scope
      const [own, every] = [await jobOf(job, name, admin, [scope]), await jobOf(job, name, admin, ['*'])]
      const [exact, whole] = [await keyOf(admin, scope), await keyOf(admin, all)]
      const [none, some] = [access === 'public' ? OUTCOME : NOTHING, allRows ? NOTHING : OUTCOME]
      const id = every.split('/').at(-1)
      for (const [url, by, seen] of [
        [own, { as: admin.token }, OUTCOME],
        [own, exact, OUTCOME],
        [own, whole, OUTCOME],
        [own, jobsOnly, none],
        [every, exact, some],
        [every, whole, OUTCOME],
        [every, everything, OUTCOME],
        [every, jobsOnly, none]
      ] as const) {
        t.match((await send('GET', url, by)).body, { state: 'done', ...seen }, `${name} read`)
        t.match((await send('GET', `${url}?fields=result,error,progress`, by)).body, seen, `${name} fields`)
      }
      // One after the other, and at once: answers are not shared between credentials of one user.
      const lists = await Promise.all([whole, jobsOnly].map((by) => send('GET', `/api/v1/jobs?id=${id}`, by)))
      t.match(
        lists.map(({ body }) => body.data[0]),
        [OUTCOME, none],
        `${name} list`
      )
    }
  })

t.test('a job of no operation tells its outcome to full logins, and to callers that may see all jobs', async (t) => {
  const member = await someone()
  const url = await jobOf(bulkJob, 'gone', member, [])
  t.match((await send('GET', url, { as: member.token })).body, OUTCOME)
  t.match((await send('GET', url, { as: admin.token })).body, OUTCOME)
  t.match((await send('GET', url, await keyOf(admin, 'jobs:*'))).body, OUTCOME)
  t.match((await send('GET', url, await keyOf(member, 'items:read', 'items:write'))).body, NOTHING)
})

t.test('a job is tried again only by those that could ask for it, and steps tell others nothing', async (t) => {
  const member = await someone()
  const url = await jobOf(bulkJob, 'bulkCreateItems', member, ['items:write'])
  const [narrow, exact] = [await keyOf(member, 'jobs:write'), await keyOf(member, 'jobs:write', 'items:write')]
  await app.db.execute(sql`update job_common set state = 'created' where id = ${url.split('/').at(-1)}`)
  t.match(await send('POST', `${url}/cancel`, narrow), { status: 200, body: { state: 'cancelled', ...NOTHING } })
  t.match(await send('POST', `${url}/retry`, narrow), {
    status: 403,
    body: { error: { code: 'FORBIDDEN', details: { scope: 'items:write' } } }
  })
  t.match(await send('POST', `${url}/retry`, exact), { status: 200, body: { progress: OUTCOME.progress } })
})
