import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { selectRaw } from '#src/db/rows.ts'
import { findJobs } from '#src/jobs/find-jobs.ts'
import { Jobs } from '#src/jobs/jobs.ts'
import { Worker, type WorkerTimes } from '#src/jobs/worker.ts'
import { note, noteJob } from '#test/fixtures/jobs/note.job.ts'
import onceJob from '#test/fixtures/jobs/once.job.ts'
import { ticks } from '#test/fixtures/jobs/tick.job.ts'
import { startApp } from '#test/support/app.ts'

const folder = join(import.meta.dirname, '../fixtures/jobs')
const { app } = await startApp(t)
const definitions = await findJobs([folder])
const warnings: string[] = []
const log = {
  warn: (_context: object, text: string) => warnings.push(text),
  child: () => log
} as never as typeof app.log

/** A worker of its own, on the database of the test. */
async function startWorker(t: Test, times: Partial<WorkerTimes> = {}, names = ['note', 'once'], isDeaf = false) {
  const jobs = new Jobs(app.db, names.length === 1 ? definitions.filter(({ name }) => name === names[0]) : definitions)
  await jobs.open()
  const listen = isDeaf ? () => Promise.reject(new Error('a pooler')) : app.listenToDatabase
  const worker = new Worker({ app, jobs, log, listen, isAlone: false, times: { graceMs: 10, settleMs: 1, ...times } })
  await worker.start()
  t.teardown(() => worker.close())
  return { jobs, worker }
}

async function until(isSo: () => unknown): Promise<void> {
  while (!(await isSo())) await sleep(5)
}
const stateOf = async (id: string) =>
  (
    await selectRaw<{ state: string; attempts: number }>(app.db, sql`select state, attempts from jobs where id = ${id}`)
  )[0]
const forever = (_text: string, { signal }: { signal: AbortSignal }) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
// The tables are away for a while, as when the database is.
const hide = () => app.db.execute(sql`alter table job_common rename to job_hidden`)
const show = () => app.db.execute(sql`alter table job_hidden rename to job_common`)

t.beforeEach(async () => {
  note.attempts.length = 0
  note.work = async () => undefined
  warnings.length = 0
  await app.db.execute(sql`delete from job_common`)
})

t.test('a job that runs when the process ends is given back, and that attempt does not count', async (t) => {
  const { jobs, worker } = await startWorker(t)
  note.work = forever
  const id = await jobs.send(noteJob, { text: 'long' })
  await until(() => note.attempts.length === 1)
  await worker.close()
  t.match(await stateOf(id), { state: 'queued', attempts: 0 })
  note.work = async () => undefined
  await startWorker(t)
  await until(async () => (await stateOf(id))?.state === 'done')
  t.match(await stateOf(id), { attempts: 1 })
})

t.test('a job that is taken while the process begins to end is given back, too', async (t) => {
  const { jobs, worker } = await startWorker(t)
  note.work = forever
  const id = await jobs.send(noteJob, { text: 'in between' })
  worker.wake(['note'])
  await worker.close()
  t.match(await stateOf(id), { state: 'queued', attempts: 0 })
})

t.test('a cancelled job is aborted where it runs, and one that waits never runs', async (t) => {
  const { jobs } = await startWorker(t)
  note.work = forever
  const id = await jobs.send(noteJob, { text: 'cancelled' })
  const waiting = await jobs.send(noteJob, { text: 'waiting' }, { startAfter: 60 })
  await until(() => note.attempts.length === 1)
  const cancel = (one: string) => app.db.transaction((tx) => jobs.storage.cancel(tx, 'note', one))
  t.equal(await cancel(id), true)
  t.equal(await cancel(waiting), true)
  t.equal(await cancel(id), false, 'it is over')
  await until(() => note.attempts[0]?.context.signal.aborted)
  t.match([await stateOf(id), await stateOf(waiting)], [{ state: 'cancelled' }, { state: 'cancelled' }])
})

t.test('a job of a process that died is given to another attempt when its time is over', async (t) => {
  const { jobs } = await startWorker(t, { lookMs: 20 })
  let late: unknown
  note.work = async (_text, context) => {
    if (context.attempt === 2) return
    await until(() => note.attempts.length === 2)
    late = await app.db.transaction((tx) => context.progress(1, 2, { tx })).catch((error) => error)
  }
  const id = await jobs.send(noteJob, { text: 'died' })
  await until(() => note.attempts.length === 1)
  await app.db.execute(sql`update job_common set started_on = now() - interval '1 hour' where id = ${id}`)
  await until(async () => (await stateOf(id))?.state === 'done')
  t.equal(note.attempts.length, 2)
  await until(() => late)
  t.match(late, { name: 'JobEnded' }, 'the first attempt writes nothing any more')
})

t.test('an attempt that goes on says so, and one of a short limit does not', async (t) => {
  const { jobs } = await startWorker(t, { beatMs: 5 })
  note.work = forever
  const id = await jobs.send(noteJob, { text: 'beats' })
  await jobs.send(onceJob, { text: 'short' })
  await until(() => note.attempts.length === 1)
  const heartbeat = async () =>
    (await selectRaw<{ at: string }>(app.db, sql`select heartbeat_on::text as at from job_common where id = ${id}`))[0]
      ?.at
  const first = await heartbeat()
  await until(async () => (await heartbeat()) !== first)
  await hide()
  await until(() => warnings.includes('a heartbeat failed'))
  await show()
  await app.db.transaction((tx) => jobs.storage.cancel(tx, 'note', id))
  t.pass()
})

t.test('while the database is away a worker tries again, and the end of a job is written later', async (t) => {
  const { jobs } = await startWorker(t, { retryMs: 5, lookMs: 5 })
  await until(async () => {
    await hide()
    await sleep(30)
    await show()
    return warnings.includes('jobs cannot be read')
  })
  const open = Promise.withResolvers<void>()
  note.work = () => open.promise
  const id = await jobs.send(noteJob, { text: 'written later' })
  await until(() => note.attempts.length === 1)
  await hide()
  open.resolve()
  await until(() => warnings.includes('the end of a job cannot be written'))
  await show()
  await until(async () => (await stateOf(id))?.state === 'done')
  t.match(await stateOf(id), { state: 'done', attempts: 1 })
})

t.test('a job that waits for room is taken when there is some, by a worker that hears nothing, too', async (t) => {
  const { jobs } = await startWorker(t, { deafMs: 5 }, undefined, true)
  const order: string[] = []
  note.work = async (text) => {
    order.push(text)
    await sleep(40)
  }
  const ids = []
  for (const text of ['a', 'b', 'c']) ids.push(await jobs.send(onceJob, { text }))
  for (const id of ids) await until(async () => (await stateOf(id))?.state === 'done')
  t.same(order, ['a', 'b', 'c'])
})

t.test('a scheduled job runs at its times, and each run queues the next', async (t) => {
  ticks.length = 0
  await startWorker(t)
  await until(() => ticks.length === 2)
  t.ok((ticks[1] as number) - (ticks[0] as number) > 500, 'a second lies between them')
  const queued = () => selectRaw(app.db, sql`select from jobs where name = 'tick' and state = 'queued'`)
  await until(async () => (await queued()).length === 1)
})

t.test('a job is deleted when it was kept for long enough, with its progress', async (t) => {
  const { jobs } = await startWorker(t, { forgetMs: 0 })
  note.work = async (_text, { progress }) => {
    await progress(1, 2)
    await progress(2, 2)
  }
  const old = await jobs.send(noteJob, { text: 'old' })
  await until(async () => (await stateOf(old))?.state === 'done')
  await app.db.execute(sql`update job_common set completed_on = now() - interval '8 days' where id = ${old}`)
  await jobs.send(noteJob, { text: 'new' })
  await until(async () => (await stateOf(old)) === undefined)
  await until(async () => (await selectRaw(app.db, sql`select from job_progress where job_id = ${old}`)).length === 0)
})

t.test('what a dead process of the only server left behind goes on at once', async (t) => {
  const jobs = new Jobs(app.db, definitions)
  await jobs.open()
  const id = await jobs.send(noteJob, { text: 'left behind' })
  const [taken] = await jobs.storage.fetch('note', 1)
  t.equal(taken?.id, id)
  note.work = (_text, context) => app.db.transaction((tx) => context.finish(tx))
  const worker = new Worker({ app, jobs, log, listen: app.listenToDatabase, isAlone: true })
  await worker.start()
  t.teardown(() => worker.close())
  await until(async () => (await stateOf(id))?.state === 'done')
})

t.test('a retry without delays of its own waits longer each time', async (t) => {
  const { retry: _retry, ...plain } = noteJob
  const doubling = { ...plain, name: 'doubling' }
  const jobs = new Jobs(app.db, [doubling] as never)
  await jobs.open()
  const worker = new Worker({ app, jobs, log, listen: app.listenToDatabase, isAlone: false, times: { settleMs: 1 } })
  await worker.start()
  t.teardown(() => worker.close())
  note.work = async (_text, { attempt }) => {
    if (attempt === 1) throw new Error('once')
  }
  const id = await jobs.send(doubling, { text: 'doubling' })
  await until(async () => (await stateOf(id))?.state === 'done')
  t.match(await stateOf(id), { attempts: 2 })
})
