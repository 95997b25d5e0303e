import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema } from 'fastify'
import fp from 'fastify-plugin'
import type { ErrorCode } from '#src/errors.ts'
import { describeChange } from '#src/openapi/changes.ts'
import { hoistComponents, nameComponents } from '#src/openapi/components.ts'
import { describeErrors, describeSecurity, describeTimeout } from '#src/openapi/describe.ts'
import { finishOperations } from '#src/openapi/finish.ts'
import { INTRODUCTION } from '#src/openapi/introduction.ts'
import { listScopes, securitySchemes } from '#src/openapi/security.ts'
import { listTags } from '#src/openapi/tags.ts'
import { listWebhooks } from '#src/openapi/webhooks.ts'
import { eventTypes } from '#src/resource/events.ts'
import about from '../package.json' with { type: 'json' }

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Error statuses, or codes, of the route that do not follow from its declaration. */
    errors?: (number | ErrorCode)[]
  }
}

/** Makes the OpenAPI document from the schemas of the routes. */
export default fp(
  async (app) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'Tenon',
          version: about.version,
          summary: about.description,
          description: INTRODUCTION,
          license: { name: 'MIT', identifier: 'MIT' }
        },
        servers: [{ url: '/' }],
        components: {
          securitySchemes: securitySchemes as never
        }
      },
      // `const` is part of OpenAPI 3.1.
      convertConstToEnum: false,
      transform: ({ schema, url, route }) => ({
        url,
        schema: nameComponents(
          describeTimeout(
            describeChange(describeErrors(describeSecurity(schema as FastifySchema, route), route), route),
            route
          )
        ) as never
      }),
      transformObject: (document) => {
        const { openapiObject } = document as { openapiObject: object }
        const finished = listTags(listScopes(hoistComponents(finishOperations(openapiObject))))
        return listWebhooks(finished, [...eventTypesOf(app)]) as never
      }
    })
  },
  { name: 'swagger', dependencies: ['routes'] }
)

function* eventTypesOf({ routeTable }: FastifyInstance) {
  for (const resource of new Set(routeTable.flatMap(({ config }) => config?.resource ?? []))) {
    const schema = resource.declaration.schema.$id as string
    for (const type of eventTypes(resource)) yield { type, schema }
  }
}
