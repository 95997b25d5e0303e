import type { preValidationHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { jsonParser, otherParser } from '#src/http/body/parsers.ts'
import { maxValuesOf } from '#src/schema/bounds.ts'

const CHANGES = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])
const NO_PARAMETERS = { type: 'object', properties: {}, additionalProperties: false }

/**
 * Accepts JSON bodies, and others only where a route declares them. The schema of a body bounds its number of values. A
 * change without a declared query accepts no query parameters: one that is sent by mistake must not be ignored.
 */
export default fp(
  async (app) => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser(['application/json', 'application/merge-patch+json'], jsonParser)
    app.addContentTypeParser('*', otherParser('application/json'))

    app.addHook('onRoute', (route) => {
      if (![route.method].flat().some((method) => CHANGES.has(method))) return
      const body = route.schema?.body
      const querystring = route.schema?.querystring
      route.config = { ...route.config, maxValues: maxValuesOf(body ?? {}) }
      // OAuth ignores unknown parameters (RFC 6749, section 3.2).
      if (querystring === undefined && route.config.access !== 'client')
        route.schema = { ...route.schema, querystring: NO_PARAMETERS }
      if (route.config.hasOptionalBody) route.preValidation = emptyIfNone
    })
  },
  { name: 'bodies', dependencies: ['routes'] }
)

// JSON's null is still refused.
const emptyIfNone: preValidationHookHandler = (request, _reply, done) => {
  if (request.body === undefined) request.body = {}
  done()
}
