import type { FastifyInstance } from 'fastify'
import { send } from '#src/http/answer.ts'
import { preferencesOf } from '#src/http/change.ts'
import { applyPreferences } from '#src/http/prefer.ts'
import type { VerbRoute } from '../route.ts'
import { acceptLater, isAskedLater } from './accept.ts'
import bulkJob from './bulk.job.ts'
import exportJob from './export.job.ts'
import importJob from './import.job.ts'

const JOBS = { import: importJob, export: exportJob, bulk: bulkJob }

/** The same route, which gives its work to a job where the caller prefers that. @param operation its `operationId`. */
export function respondLater<R extends VerbRoute>(app: FastifyInstance, operation: string, route: R): R {
  const { asJob } = route
  if (!asJob) return route
  const job = { job: JOBS[asJob.kind], operation }
  if ('change' in route) {
    const { change } = route
    return {
      ...route,
      change: async (request) =>
        isAskedLater(request)
          ? (on) => acceptLater(app, request, job, on.db, [JSON.stringify(request.body)])
          : change(request)
    }
  }
  if ('stream' in route) {
    const { stream } = route
    return {
      ...route,
      stream: async (request, body, db) =>
        isAskedLater(request) ? acceptLater(app, request, job, db, body) : stream(request, body, db)
    }
  }
  const { handler } = route
  return {
    ...route,
    async handler(request, reply) {
      if (!isAskedLater(request)) return handler.call(this, request, reply)
      return send(reply, applyPreferences(await acceptLater(app, request, job, app.db), preferencesOf(request)))
    }
  }
}
