import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { pgTable, uuid } from 'drizzle-orm/pg-core'
import t from 'tap'
import { runInScope } from '#src/concurrency/request-scope.ts'
import { outboundTraceHeaders } from '#src/concurrency/trace-context.ts'
import { selectRaw } from '#src/db/rows.ts'
import { ApiError } from '#src/errors.ts'
import { JobFailed, RetryLater } from '#src/jobs/job.ts'
import { Jobs } from '#src/jobs/jobs.ts'
import { note, noteJob } from '#test/fixtures/jobs/note.job.ts'
import onceJob from '#test/fixtures/jobs/once.job.ts'
import { startApp } from '#test/support/app.ts'

const folder = join(import.meta.dirname, '../fixtures/jobs')
const { app } = await startApp(t, { JOBS: 'on' }, { jobs: folder })
const ledger = pgTable('test_ledger', { jobId: uuid('job_id').notNull() })
await app.db.execute(sql`create table test_ledger (job_id uuid not null)`)

interface Shown {
  state: string
  result: unknown
  error: unknown
  attempts: number
}
const read = async (id: string) =>
  (await selectRaw<Shown>(app.db, sql`select state, result, error, attempts from jobs where id = ${id}`))[0] as Shown
const texts = () => note.attempts.map(({ text }) => text)

async function until(isSo: () => unknown): Promise<void> {
  while (!(await isSo())) await sleep(5)
}
async function end(id: string): Promise<Shown> {
  await until(async () => /done|failed|cancelled/.test((await read(id)).state))
  return read(id)
}

t.beforeEach(() => {
  note.attempts.length = 0
  note.work = async () => undefined
})

t.test('a job that is sent is done, and shows its result', async (t) => {
  note.work = async (text) => ({ echo: text })
  const job = await end(await app.jobs.send(noteJob, { text: 'one' }))
  t.same(job, { state: 'done', result: { echo: 'one' }, error: null, attempts: 1 })
  t.same(texts(), ['one'])
})

t.test('a transaction that is rolled back sends nothing, and the jobs of committed ones are all done', async (t) => {
  const numbers = Array.from({ length: 100 }, (_, index) => index)
  for (let start = 0; start < numbers.length; start += 20) {
    const some = numbers.slice(start, start + 20)
    const gone = app.db.transaction(async (tx) => {
      await app.jobs.send(noteJob, { text: 'never' }, { tx })
      throw new Error('rolled back')
    })
    await t.rejects(gone, { message: 'rolled back' })
    await app.db.transaction(async (tx) => {
      for (const number of some) await app.jobs.send(noteJob, { text: `${number}` }, { tx })
    })
  }
  await until(() => note.attempts.length >= 100)
  t.same(
    texts()
      .map(Number)
      .sort((a, b) => a - b),
    numbers
  )
})

t.test('an input that does not fit is refused when it is sent, and so is a job that is not loaded', async (t) => {
  await t.rejects(app.jobs.send(noteJob, { text: 1 as never }), { code: 'VALIDATION_FAILED' })
  await t.rejects(app.jobs.send({ ...noteJob, name: 'unknown' }, { text: 'a' }), /there is no job unknown/)
})

t.test('a failed attempt is made again until one succeeds', async (t) => {
  note.work = async (_text, { attempt }) => {
    if (attempt < 3) throw new Error('not yet')
    return attempt
  }
  t.match(await end(await app.jobs.send(noteJob, { text: 'again' })), { state: 'done', result: 3, attempts: 3 })
  t.same(
    note.attempts.map(({ context }) => context.attempt),
    [1, 2, 3]
  )
})

t.test('after its last attempt a job has failed, and shows nothing of an error from inside', async (t) => {
  note.work = async () => {
    throw new Error('select secret from inside')
  }
  const { state, error, attempts } = await end(await app.jobs.send(noteJob, { text: 'bad' }))
  t.match({ state, attempts, error }, { state: 'failed', attempts: 3, error: { code: 'INTERNAL' } })
  t.notMatch(JSON.stringify(error), /secret/)
})

t.test('an error of the catalogue is shown, and JobFailed ends a job at once', async (t) => {
  note.work = async () => {
    throw new ApiError('CONFLICT', 'The name is taken.')
  }
  const conflict = await end(await app.jobs.send(noteJob, { text: 'conflict' }))
  t.same(conflict.error, { code: 'CONFLICT', message: 'The name is taken.', details: [] })
  note.work = async () => {
    throw new JobFailed('The address does not exist.')
  }
  const { state, attempts, error } = await end(await app.jobs.send(noteJob, { text: 'final' }))
  t.same(
    { state, attempts, error },
    { state: 'failed', attempts: 1, error: { code: 'JOB_FAILED', message: 'The address does not exist.', details: [] } }
  )
})

t.test('RetryLater sets the time of the next attempt', async (t) => {
  note.work = async (_text, { attempt }) => {
    if (attempt === 1) throw new RetryLater(0.4, 'The receiver asks for a pause.')
  }
  const sentAt = performance.now()
  t.match(await end(await app.jobs.send(noteJob, { text: 'later' })), { state: 'done', attempts: 2 })
  t.ok(performance.now() - sentAt >= 400)
})

t.test('startAfter lets a job wait, as a time or as seconds', async (t) => {
  const sentAt = performance.now()
  const ids = [
    await app.jobs.send(noteJob, { text: 'seconds' }, { startAfter: 0.3 }),
    await app.jobs.send(noteJob, { text: 'time' }, { startAfter: new Date(Date.now() + 300) })
  ]
  for (const id of ids) await end(id)
  t.ok(performance.now() - sentAt >= 295)
  t.equal(note.attempts.length, 2)
})

t.test('jobs of one key are one until it is done, also in a transaction', async (t) => {
  const open = Promise.withResolvers<void>()
  note.work = () => open.promise
  const first = await app.jobs.send(noteJob, { text: 'keyed' }, { key: 'a' })
  await until(() => note.attempts.length === 1)
  t.equal(await app.jobs.send(noteJob, { text: 'keyed' }, { key: 'a' }), first)
  t.equal(await app.db.transaction((tx) => app.jobs.send(noteJob, { text: 'keyed' }, { key: 'a', tx })), first)
  t.not(await app.jobs.send(noteJob, { text: 'other' }, { key: 'b' }), first)
  open.resolve()
  await end(first)
  t.not(await end(await app.jobs.send(noteJob, { text: 'keyed' }, { key: 'a' })), first)
  t.same(texts().sort(), ['keyed', 'keyed', 'other'])
})

t.test(
  'with uniqueUntil: started, what is sent while a job runs is another job, and one runs after the other',
  async (t) => {
    const open = Promise.withResolvers<void>()
    const begun: string[] = []
    note.work = (text) => {
      begun.push(text)
      return open.promise
    }
    const first = await app.jobs.send(onceJob, { text: 'first' }, { key: 'a' })
    await until(() => begun.length === 1)
    const second = await app.jobs.send(onceJob, { text: 'second' }, { key: 'a' })
    t.equal(await app.jobs.send(onceJob, { text: 'third' }, { key: 'a' }), second)
    t.not(second, first)
    t.same(begun, ['first'])
    open.resolve()
    t.equal((await end(second)).state, 'done')
    t.same(begun, ['first', 'second'])
  }
)

t.test('jobs of a higher priority go first', async (t) => {
  const open = Promise.withResolvers<void>()
  const begun: string[] = []
  note.work = (text) => {
    begun.push(text)
    return open.promise
  }
  await app.jobs.send(onceJob, { text: 'busy' })
  await until(() => begun.length === 1)
  const low = await app.jobs.send(onceJob, { text: 'low' })
  await app.jobs.send(onceJob, { text: 'high' }, { priority: 5 })
  open.resolve()
  await end(low)
  t.same(begun, ['busy', 'high', 'low'])
})

t.test('a job that fails for good is given to its dead letter', async (t) => {
  note.work = async (text) => {
    if (note.attempts.length === 0) throw new Error(text)
  }
  t.equal((await end(await app.jobs.send(onceJob, { text: 'letter' }))).state, 'failed')
  await until(() => note.attempts.length === 1)
  t.same(texts(), ['letter'])
})

t.test('an attempt that takes too long is aborted', async (t) => {
  let reason: unknown
  note.work = (_text, { signal }) =>
    new Promise((resolve, reject) => {
      // Its dead letter.
      if (reason) resolve(undefined)
      signal.addEventListener('abort', () => {
        reason = signal.reason
        reject(signal.reason)
      })
    })
  const { state, error } = await end(await app.jobs.send(onceJob, { text: 'slow' }))
  t.match({ state, error }, { state: 'failed', error: { code: 'DEADLINE_EXCEEDED' } })
  // The worker may find that it is late before its own timer does.
  await until(() => reason)
  t.match(reason, { code: 'DEADLINE_EXCEEDED' })
  await until(() => note.attempts.length === 1)
})

t.test('finish ends a job with the changes of a transaction, and not when another attempt runs', async (t) => {
  note.work = (_text, context) =>
    app.db.transaction(async (tx) => {
      await tx.insert(ledger).values({ jobId: context.id })
      await context.finish(tx, 'kept')
    })
  const id = await app.jobs.send(noteJob, { text: 'finish' })
  t.match(await end(id), { state: 'done', result: 'kept' })
  const effects = () => app.db.select().from(ledger)
  t.same(await effects(), [{ jobId: id }])

  note.work = async (_text, context) => {
    await app.db.execute(sql`update job_common set started_on = now() - interval '1 second' where id = ${context.id}`)
    await app.db.transaction(async (tx) => {
      await tx.insert(ledger).values({ jobId: context.id })
      await context.finish(tx)
    })
  }
  const other = await app.jobs.send(noteJob, { text: 'lost' })
  await until(() => note.attempts.length === 2)
  await sleep(100)
  t.equal((await read(other)).state, 'running')
  t.same(await effects(), [{ jobId: id }])
  await app.db.transaction((tx) => app.jobs.storage.cancel(tx, 'note', other))
})

t.test('progress is kept, and a further attempt goes on at the checkpoint', async (t) => {
  const found: unknown[] = []
  note.work = async (_text, { attempt, progress, checkpoint }) => {
    found.push(checkpoint)
    await progress(10 * attempt, 100, { checkpoint: { line: 10 * attempt } })
    for (let done = 1; done < 5; done += 1) await progress(10 * attempt + done, 100)
    if (attempt === 1) throw new Error('cut off')
    await app.db.transaction((tx) => progress(99, null, { tx, checkpoint: { line: 99 } }))
  }
  const id = await app.jobs.send(noteJob, { text: 'far' })
  await end(id)
  t.same(found, [null, { line: 10 }])
  t.same(await selectRaw(app.db, sql`select progress from jobs where id = ${id}`), [
    { progress: { done: 99, total: null } }
  ])
})

t.test('a job goes on with the trace of the request that sent it', async (t) => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const scope = {
    socket: { destroyed: false },
    endsAt: Infinity,
    headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` }
  }
  note.work = async () => outboundTraceHeaders()
  const id = await runInScope(scope, () => app.jobs.send(noteJob, { text: 'trace' }, { requestId: 'req-1' }))
  const { result } = await end(id)
  t.match((result as { traceparent: string }).traceparent, traceId)
  t.equal(note.attempts[0]?.context.requestId, 'req-1')
})

t.test('two jobs of one name, and a dead letter that is no job, stop the start', async (t) => {
  t.throws(() => new Jobs(app.db, [noteJob, noteJob] as never), /two jobs have the name note/)
  t.throws(() => new Jobs(app.db, [onceJob] as never), /once: there is no job note/)
})

t.test('a queue follows the definition of its job', async (t) => {
  const changed = new Jobs(app.db, [noteJob, { ...onceJob, timeoutSeconds: 120 }] as never)
  await changed.open()
  const [queue] = await selectRaw<object>(
    app.db,
    sql`select expire_seconds as seconds, dead_letter from queue where name = 'once'`
  )
  t.same(queue, { seconds: 120, dead_letter: 'note' })
  await new Jobs(app.db, [{ ...noteJob, name: 'listed', retry: { delaysSeconds: [1, 5, 9] } }] as never).open()
  t.same(await selectRaw(app.db, sql`select retry_limit as retries from queue where name = 'listed'`), [{ retries: 3 }])
})
