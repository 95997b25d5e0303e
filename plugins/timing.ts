import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { parseTraceparent, traceparentOf } from '#src/concurrency/trace-context.ts'

/** Sends on every answer the request's id, the times of its parts, and its trace where the client began one. */
export default fp(
  async (app) => {
    app.addHook('onSend', (request, reply, _payload, done) => {
      reply.header('x-request-id', request.id)
      reply.header('server-timing', serverTiming(request, reply))
      const { traceparent } = request.raw.headers
      const trace = traceparent === undefined ? undefined : parseTraceparent(traceparent)
      if (trace) reply.header('traceresponse', traceparentOf(trace))
      done()
    })
  },
  { name: 'timing', dependencies: ['auth', 'deadline'] }
)

/**
 * The parts of `Server-Timing`, in milliseconds: `auth` until authentication ended, `parse` from then until the body
 * was read and found valid, `db` for statements and their wait for a turn (each counts in full where several run at
 * once), `total` for all. A part that was not reached is left out.
 */
function serverTiming({ authenticatedMs, validatedMs, scope }: FastifyRequest, { elapsedTime }: FastifyReply): string {
  const total = `total;dur=${tenths(elapsedTime)}`
  if (!scope) return authenticatedMs === 0 ? total : `auth;dur=${tenths(authenticatedMs)}, ${total}`
  const db = scope.databaseMs ? `db;dur=${tenths(scope.databaseMs)}, ` : ''
  return `auth;dur=${tenths(authenticatedMs)}, parse;dur=${tenths(validatedMs - authenticatedMs)}, ${db}${total}`
}

const tenths = (ms: number) => Math.round(ms * 10) / 10
