import { Type } from '@sinclair/typebox'
import type { FastifyPluginAsync } from 'fastify'
import { llmsText } from '#src/openapi/llms.ts'

/** The API on one page, for language models. */
export default (async (app) => {
  let text: string | undefined
  app.get(
    '/llms.txt',
    {
      config: { access: 'public', priority: 'health', isConstant: true },
      schema: {
        operationId: 'readLlmsText',
        tags: ['meta'],
        summary: 'How to use the API, on one page',
        description:
          'For language models (llmstxt.org), made from this document. The same for every caller, for as long as the process runs.',
        response: {
          200: {
            description: 'Markdown.',
            content: { 'text/plain': { schema: Type.String({ description: 'The page.' }) } }
          }
        }
      }
    },
    async function readLlmsText(_request, reply) {
      text ??= llmsText(app.swagger(), app.config.MCP_ENABLED)
      return reply.type('text/plain; charset=utf-8').send(text)
    }
  )
}) satisfies FastifyPluginAsync
