import { createHash } from 'node:crypto'
import scalar from '@scalar/fastify-api-reference'
import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { errorsPage } from '#src/openapi/errors-page.ts'

// The page brings its own script and styles, and connects to this server only. Its script makes style elements.
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'"
]

const INLINE_SCRIPT = /<script\b(?![^>]*\bsrc=)[^>]*>([\s\S]*?)<\/script>/g

/** The policy of a page, with the hashes of its inline scripts: no other script runs. */
function policyOf(page: unknown): string {
  const text = typeof page === 'string' && page.startsWith('<') ? page : ''
  const hashes = [...text.matchAll(INLINE_SCRIPT)].map(
    ([, script = '']) => ` 'sha256-${createHash('sha256').update(script).digest('base64')}'`
  )
  return POLICY.map((rule) => (rule.startsWith('script-src') ? rule + hashes.join('') : rule)).join('; ')
}

/** The reference page, the document behind it, and the catalogue of errors. */
export default fp(
  async (app) => {
    await app.register(async (pages) => {
      pages.addHook('onRoute', (route) => {
        route.config = {
          ...route.config,
          access: 'public',
          contentSecurityPolicy: policyOf,
          isConstant: true
        } as typeof route.config
        route.schema = { ...route.schema, hide: true } as typeof route.schema
      })
      pages.get('/', async (_request, reply) => reply.redirect('/docs'))
      pages.get('/docs/errors', async (_request, reply) => reply.type('text/html; charset=utf-8').send(errorsPage()))
      await pages.register(scalar, {
        routePrefix: '/docs',
        logLevel: 'silent',
        configuration: {
          url: '/openapi.json',
          title: 'Tenon API',
          withDefaultFonts: false,
          telemetry: false,
          defaultOpenAllTags: true,
          hideClientButton: true,
          showDeveloperTools: 'never',
          agent: { disabled: true },
          mcp: { disabled: true }
        } as never
      })
    })
    let text: string | undefined
    app.get(
      '/openapi.json',
      {
        config: { access: 'public', priority: 'health', isConstant: true },
        schema: {
          operationId: 'readOpenapiDocument',
          tags: ['meta'],
          summary: 'This document',
          description: 'The same for every caller, for as long as the process runs.',
          response: {
            200: Type.Object(
              {},
              { description: 'The OpenAPI 3.1 document.', 'x-any-shape': 'A document has a shape of its own.' }
            )
          }
        }
      },
      async (_request, reply) => {
        text ??= JSON.stringify(app.swagger())
        return reply.type('application/json').serializer(String).send(text)
      }
    )
  },
  { name: 'docs', dependencies: ['auth', 'helmet', 'swagger'] }
)
