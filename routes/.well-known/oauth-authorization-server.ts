import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'

const Texts = Type.Array(Type.String())
const ServerMetadata = Type.Object(
  {
    issuer: Type.String(),
    token_endpoint: Type.String(),
    revocation_endpoint: Type.String(),
    introspection_endpoint: Type.String(),
    jwks_uri: Type.String(),
    service_documentation: Type.String(),
    scopes_supported: Texts,
    grant_types_supported: Texts,
    response_types_supported: Texts,
    token_endpoint_auth_methods_supported: Texts,
    revocation_endpoint_auth_methods_supported: Texts,
    introspection_endpoint_auth_methods_supported: Texts
  },
  { $id: 'ServerMetadata', title: 'ServerMetadata' }
)

const OpenIdMetadata = Type.Object(
  {
    ...ServerMetadata.properties,
    subject_types_supported: Texts,
    id_token_signing_alg_values_supported: Texts
  },
  { $id: 'OpenIdMetadata', title: 'OpenIdMetadata' }
)

/** RFC 8414: the addresses of the OAuth endpoints, for clients that discover them. */
export default (async (app) => {
  const { JWT_ISSUER, OAUTH_PASSWORD_GRANT } = app.config
  const at = (path: string) => `${JWT_ISSUER.replace(/\/$/, '')}${path}`
  const methods = ['client_secret_basic', 'client_secret_post']

  function metadata() {
    return {
      issuer: JWT_ISSUER,
      token_endpoint: at('/oauth/token'),
      revocation_endpoint: at('/oauth/revoke'),
      introspection_endpoint: at('/oauth/introspect'),
      jwks_uri: at('/.well-known/jwks.json'),
      service_documentation: at('/docs'),
      scopes_supported: [...app.knownScopes],
      grant_types_supported: ['client_credentials', 'refresh_token', ...(OAUTH_PASSWORD_GRANT ? ['password'] : [])],
      // There is no authorization endpoint: users log in at this API itself.
      response_types_supported: [],
      token_endpoint_auth_methods_supported: [...methods, 'none'],
      revocation_endpoint_auth_methods_supported: [...methods, 'none'],
      introspection_endpoint_auth_methods_supported: methods
    }
  }

  app.get(
    '/oauth-authorization-server',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'readServerMetadata',
        tags: ['oauth'],
        summary: 'The metadata of the authorization server (RFC 8414)',
        description: 'Where the endpoints are and what they take: OAuth clients read it by themselves.',
        response: { 200: ServerMetadata }
      }
    },
    async () => metadata()
  )

  app.get(
    '/openid-configuration',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'readOpenIdMetadata',
        tags: ['oauth'],
        summary: 'The same where OpenID Connect clients look for it',
        description:
          'openid-client and Spring Security look here first. This is an OAuth 2 server: it issues no ID tokens; the two members more are those without which such clients do not read the rest.',
        response: { 200: OpenIdMetadata }
      }
    },
    async () => ({
      ...metadata(),
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['EdDSA']
    })
  )
}) satisfies FastifyPluginAsyncTypebox
