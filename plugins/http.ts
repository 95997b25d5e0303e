import fp from 'fastify-plugin'
import { ApiError } from '#src/errors.ts'
import { refusedUrl } from '#src/http/refuse-url.ts'

/**
 * Refuses URLs that the router cannot read, and requests with a missing or repeated Host (RFC 9112, section 3.2):
 * proxies would disagree about them.
 */
export default fp(
  async (app) => {
    app.addHook('onRequest', ({ raw }, _reply, done) => {
      const error = refusedUrl(raw)
      if (error) return done(error)
      const { rawHeaders, httpVersion } = raw
      let hosts = 0
      for (let index = 0; index < rawHeaders.length; index += 2) {
        const name = rawHeaders[index] as string
        if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
      }
      const isOne = hosts === 1 || (hosts === 0 && httpVersion === '1.0')
      done(isOne ? undefined : new ApiError('BAD_REQUEST', 'A request has exactly one Host header.'))
    })
  },
  { name: 'http', dependencies: ['errors', 'overload'] }
)
