interface Secured {
  paths: Record<string, Record<string, { security?: Record<string, string[]>[] }>>
  components: { securitySchemes: { oauth2: { flows: { clientCredentials: { scopes: Record<string, string> } } } } }
}

const MEANINGS: Record<string, string> = { read: 'Read', write: 'Make and change', delete: 'Delete' }

/** The ways to authenticate. Each operation lists its own ones, with the scope that it needs. */
export const securitySchemes = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'An access token from `POST /api/v1/auth/login` or `POST /oauth/token`, or an API key.'
  },
  apiKey: {
    type: 'apiKey',
    in: 'header',
    name: 'X-API-Key',
    description: 'A key from `POST /api/v1/api-keys`: `tn_live_…`.'
  },
  oauth2: {
    type: 'oauth2',
    description: 'An API key as a client: its `id` is the `client_id`, the key itself the `client_secret`.',
    flows: { clientCredentials: { tokenUrl: '/oauth/token', scopes: {} } }
  },
  client: {
    type: 'http',
    scheme: 'basic',
    description: 'An OAuth 2 client; or `client_id` and `client_secret` in the form.'
  }
} as const

/** Lists the scopes of all operations in the description of the OAuth 2 flow. */
export function listScopes<D extends object>(document: D): D {
  const { paths, components } = document as Secured
  const asked = Object.values(paths)
    .flatMap((path) => Object.values(path))
    .flatMap(({ security = [] }) => security.flatMap((one) => one.oauth2 ?? []))
  const scopes = [...new Set(asked)].sort().map((scope) => {
    const [resource, verb] = scope.split(':') as [string, string]
    return [scope, `${MEANINGS[verb] ?? capitalized(verb)} ${resource.replaceAll('-', ' ')}`]
  })
  components.securitySchemes.oauth2.flows.clientCredentials.scopes = Object.fromEntries(scopes)
  return document
}

const capitalized = (verb: string) => verb.charAt(0).toUpperCase() + verb.slice(1)
