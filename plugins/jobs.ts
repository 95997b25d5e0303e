import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Gauge, type Metric } from 'prom-client'
import { findJobs } from '#src/jobs/find-jobs.ts'
import { Jobs } from '#src/jobs/jobs.ts'
import { Worker } from '#src/jobs/worker.ts'
import { Durations } from '#src/observe/durations.ts'
import type {} from '#src/resource/respond-async/operation.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Sends jobs, and tells about them. */
    jobs: Jobs
  }
}

/** Finds the jobs of the engine and of the routes, and runs those that are due unless `JOBS=off`. */
export default fp(
  async (app) => {
    const jobs = new Jobs(app.db, await findJobs(app.jobFolders))
    await jobs.open()
    app.decorate('jobs', jobs)
    app.decorate('asyncOperations', new Map())
    if (app.config.JOBS === 'off') return

    const { DATABASE_URL, SHUTDOWN_GRACE_MS } = app.config
    const attempts = new Durations('job_attempt_duration_seconds', 'Time of each attempt at a job, by how it ended.')
    app.metrics.registerMetric(attempts as unknown as Metric)
    const worker = new Worker({
      app,
      jobs,
      log: app.log,
      listen: app.listenToDatabase,
      isAlone: DATABASE_URL === undefined,
      times: { graceMs: SHUTDOWN_GRACE_MS / 2 },
      onAttempt: (job, outcome, seconds) => attempts.observe(attempts.series({ job, outcome }), seconds)
    })
    registerLoad(app, worker)
    app.addHook('onReady', () => worker.start())
    app.addHook('onClose', () => worker.close())
  },
  { name: 'jobs', dependencies: ['db', 'auth', 'metrics'] }
)

type Load = Awaited<ReturnType<Jobs['storage']['load']>>[number]

function registerLoad({ metrics, jobs }: FastifyInstance, worker: Worker): void {
  let isEmpty = false
  let reading: Promise<Load[]> | undefined
  // A scrape reads the queue once, and only while there is something in it: a hosted database could not sleep otherwise.
  // While the database is away, all other metrics are there.
  async function read(): Promise<Load[]> {
    if (isEmpty && !worker.isBusy) return []
    const load = await jobs.storage.load().catch(() => undefined)
    isEmpty = load?.length === 0
    return load ?? []
  }
  const share = () => {
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }
  function gauge(name: string, help: string, of: (load: Load) => number): void {
    metrics.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: ['job'],
        registers: [],
        async collect() {
          const load = await share()
          this.reset()
          for (const one of load) this.set({ job: one.name }, of(one))
        }
      })
    )
  }
  gauge('jobs_due', 'Jobs that are due and wait.', ({ due }) => due)
  gauge('jobs_running', 'Jobs that run, in any process.', ({ running }) => running)
  gauge(
    'jobs_oldest_due_seconds',
    'How long the first job that is due has waited.',
    ({ oldestSeconds }) => oldestSeconds
  )
}
