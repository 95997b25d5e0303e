import fp from 'fastify-plugin'
import { type Logger, pino } from 'pino'
import { parseTraceparent } from '#src/concurrency/trace-context.ts'
import { describeRefusal } from '#src/http/describe-refusal.ts'
import { accessLine } from '#src/observe/access-line.ts'
import { hideCredentials, redact } from '#src/observe/redact.ts'
import { RequestLog } from '#src/observe/request-log.ts'

/**
 * Writes one line for every request. It has only declared parameters of the query, a body only at level `debug`, and no
 * value that a schema marks as write-only.
 */
export default fp(
  async (app) => {
    app.setChildLoggerFactory(
      (logger, bindings, _options, raw) => new RequestLog(logger as Logger, bindings, raw?.headers.traceparent) as never
    )
    const { values } = pino.levels
    const isLevel = (level: string) => (values[app.log.level] as number) <= (values[level] as number)
    if (!isLevel('info')) return
    const isAbove = (level: string) => (values[level] as number) > (values.info as number)
    const isBodyLogged = isLevel('debug')
    app.addHook('onClose', async () => app.logLines.flush())

    app.addHook('onResponse', (request, reply, done) => {
      const { schema, url, logLevel } = request.route
      // Probes and scrapes would fill the log; a refused one is still logged.
      if (logLevel && isAbove(logLevel) && reply.statusCode < 400) return done()
      const { principal, refusal } = request
      // The URL as sent, even one that the router could not read.
      const sent = request.originalUrl
      const mark = sent.indexOf('?')
      const path = mark < 0 ? sent : sent.slice(0, mark)
      const { traceparent } = request.raw.headers
      app.logLines.add(
        accessLine({
          requestId: request.id,
          method: request.method,
          path: path === url ? path : hideCredentials(path),
          route: url,
          query: mark < 0 ? undefined : redact(request.query, schema?.querystring),
          status: reply.statusCode,
          code: refusal?.code,
          refusal: refusal ? describeRefusal(refusal, request, reply) : undefined,
          ms: reply.elapsedTime,
          ip: request.ip,
          userId: principal?.userId,
          keyId: principal?.keyId,
          traceId: traceparent === undefined ? undefined : parseTraceparent(traceparent)?.traceId
        })
      )
      if (isBodyLogged && request.body !== undefined) request.log.debug({ body: redact(request.body, schema?.body) })
      done()
    })
  },
  { name: 'logs', dependencies: ['auth', 'errors'] }
)
