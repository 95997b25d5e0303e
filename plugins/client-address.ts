import fp from 'fastify-plugin'
import { addressesOf } from '#src/http/forwarded-for.ts'

/**
 * Lets `request.ip` be an address whatever a proxy forwards, before anything is counted, logged or stored by it. Without
 * `TRUST_PROXY` no header is believed, and the first request that brings one is told of in the log: all callers behind that
 * proxy share one address then, with its limits.
 */
export default fp(
  async (app) => {
    let isTold = app.config.TRUST_PROXY !== ''
    app.addHook('onRequest', ({ raw: { headers, socket } }, _reply, done) => {
      const forwarded = headers['x-forwarded-for']
      if (forwarded === undefined) return done()
      // Node joins repeated ones, and gives no list of this header.
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
