import fp from 'fastify-plugin'
import { findJobs } from '#src/jobs/find-jobs.ts'
import { Jobs } from '#src/jobs/jobs.ts'
import { Worker } from '#src/jobs/worker.ts'
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
    const worker = new Worker({
      app,
      jobs,
      log: app.log,
      listen: app.listenToDatabase,
      isAlone: DATABASE_URL === undefined,
      times: { graceMs: SHUTDOWN_GRACE_MS / 2 }
    })
    app.addHook('onReady', () => worker.start())
    app.addHook('onClose', () => worker.close())
  },
  { name: 'jobs', dependencies: ['db', 'auth'] }
)
