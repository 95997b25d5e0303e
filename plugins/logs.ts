import fp from 'fastify-plugin'
import { type Logger, pino } from 'pino'
import { accessLine } from '#src/observe/access-line.ts'
import { redact } from '#src/observe/redact.ts'
import { RequestLog } from '#src/observe/request-log.ts'

/**
 * One line for every request. Of a query only what the route declares is written, of a body only at level `debug`, and
 * of both nothing that a schema marks as write-only.
 */
export default fp(
  async (app) => {
    app.setChildLoggerFactory((logger, bindings) => new RequestLog(logger as Logger, bindings) as never)
    const { values } = pino.levels
    const isLevel = (level: string) => (values[app.log.level] as number) <= (values[level] as number)
    if (!isLevel('info')) return
    const isAbove = (level: string) => (values[level] as number) > (values.info as number)
    const isBodyLogged = isLevel('debug')
    app.addHook('onClose', async () => app.logLines.flush())

    app.addHook('onResponse', (request, reply, done) => {
      const { schema, url, logLevel } = request.route
      // Probes and scrapes would fill the log; what was refused to them is worth its line.
      if (logLevel && isAbove(logLevel) && reply.statusCode < 400) return done()
      const { principal } = request
      const mark = request.url.indexOf('?')
      app.logLines.add(
        accessLine({
          requestId: request.id,
          method: request.method,
          path: mark < 0 ? request.url : request.url.slice(0, mark),
          route: url,
          query: mark < 0 ? undefined : redact(request.query, schema?.querystring),
          status: reply.statusCode,
          ms: reply.elapsedTime,
          ip: request.ip,
          userId: principal?.userId,
          keyId: principal?.keyId
        })
      )
      if (isBodyLogged && request.body !== undefined) request.log.debug({ body: redact(request.body, schema?.body) })
      done()
    })
  },
  { name: 'logs', dependencies: ['auth'] }
)
