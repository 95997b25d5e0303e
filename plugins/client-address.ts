import fp from 'fastify-plugin'
import { addressesOf } from '#src/http/forwarded-for.ts'

/**
 * Makes `request.ip` a valid address whatever a proxy forwards, before a request is counted, logged or stored by it.
 * Without `TRUST_PROXY` the header is not trusted, and the first request with one is logged: all clients behind that
 * proxy then share one address and its limits.
 */
export default fp(
  async (app) => {
    let isTold = app.config.TRUST_PROXY !== ''
    app.addHook('onRequest', ({ raw: { headers, socket } }, _reply, done) => {
      const forwarded = headers['x-forwarded-for']
      if (forwarded === undefined) return done()
      // Node joins repeated headers into one text.
      const addresses = addressesOf(forwarded as string)
      if (addresses === undefined) delete headers['x-forwarded-for']
      else headers['x-forwarded-for'] = addresses
      if (!isTold) {
        isTold = true
        app.log.warn(
          { ip: socket.remoteAddress, header: 'X-Forwarded-For', setting: 'TRUST_PROXY' },
          'a proxy forwards requests, and TRUST_PROXY is empty: all its clients count as one address'
        )
      }
      done()
    })
  },
  { name: 'client-address' }
)
