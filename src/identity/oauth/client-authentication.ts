import { ApiError } from '#src/errors.ts'
import type { PrincipalResolver } from '../requests/principal-resolver.ts'
import { allows } from '../scopes.ts'
import { OWN_CLIENT } from '../tokens/access-tokens.ts'
import { authenticateClient, type Client } from './clients.ts'

/** The errors of RFC 6749, section 5.2 and of this server (the last), with their status. */
const STATUSES = {
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  unauthorized_client: 400,
  unsupported_grant_type: 400,
  invalid_scope: 400,
  second_factor_required: 400
} as const

/** An error of OAuth 2, written by routes/oauth in its own body. */
export class OAuthFailure extends Error {
  override name = 'OAuthFailure'
  readonly error: keyof typeof STATUSES
  readonly statusCode: number
  /** With second_factor_required: the challenge to send the code with. */
  readonly challenge: string | undefined

  constructor(error: keyof typeof STATUSES, description: string, challenge?: string) {
    super(description)
    this.error = error
    this.challenge = challenge
    this.statusCode = STATUSES[error]
  }
}

/** The client's claim of its identity, in the form and the headers. */
interface ClientClaim {
  authorization?: string | undefined
  client_id?: string | undefined
  client_secret?: string | undefined
}

/**
 * The client of a request: the principal of its key, or undefined for the public client of logins without a key.
 * @throws OAuthFailure invalid_client, or invalid_request when it identifies itself in two ways.
 */
export async function clientOf(
  principals: PrincipalResolver,
  claim: ClientClaim,
  address: string
): Promise<Client | undefined> {
  const { authorization, client_id, client_secret } = claim
  // A client that still sends its last token must not be refused: only Basic identifies it.
  const basic = authorization && /^Basic\b/i.test(authorization) ? parseBasic(authorization) : undefined
  if (basic && client_secret !== undefined) {
    throw new OAuthFailure('invalid_request', 'The client must authenticate in one way.')
  }
  const clientId = basic?.clientId ?? client_id
  if (basic && client_id !== undefined && client_id !== clientId) {
    throw new OAuthFailure('invalid_request', 'There are two client ids.')
  }
  const secret = basic?.secret ?? client_secret
  if (secret === undefined && (clientId === undefined || clientId === OWN_CLIENT)) return undefined
  const principal = await authenticateClient(principals, { clientId: clientId ?? '', secret: secret ?? '' }, address)
  if (!principal) throw new OAuthFailure('invalid_client', 'The client is unknown or its secret is wrong.')
  return principal
}

/** The same, for requests that the public client may not make. */
export async function confidentialClientOf(
  principals: PrincipalResolver,
  claim: ClientClaim,
  address: string
): Promise<Client> {
  const principal = await clientOf(principals, claim, address)
  if (!principal) throw new OAuthFailure('invalid_client', 'The client must authenticate.')
  return principal
}

/**
 * The requested scopes; undefined for all.
 * @throws OAuthFailure invalid_scope for an unknown one, or one that the client does not have.
 */
export function askedScopes(
  scope: string | undefined,
  had: ReadonlySet<string>,
  known: ReadonlySet<string>
): string[] | undefined {
  const asked = scope?.split(' ').filter(Boolean)
  const missing = asked?.find((one) => !known.has(one) || !allows(had, one))
  if (missing !== undefined) throw new OAuthFailure('invalid_scope', 'A scope is unknown or more than may be given.')
  return asked
}

/** Reads a form. Empty values count as left out (RFC 6749, section 3.2). @throws ApiError BAD_REQUEST for one sent twice. */
export function parseForm(body: string): Record<string, string> {
  const form: Record<string, string> = Object.create(null)
  for (const [name, value] of new URLSearchParams(body)) {
    if (name in form) throw new ApiError('BAD_REQUEST', `${name} must not be sent twice.`)
    if (value !== '') form[name] = value
  }
  return form
}

// Both parts are form-encoded before they are joined (RFC 6749, section 2.3.1).
function parseBasic(authorization: string): { clientId: string; secret: string } {
  const encoded = /^Basic ([\w+/=-]+)$/i.exec(authorization)?.[1]
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) throw new OAuthFailure('invalid_client', 'The Authorization header is not Basic.')
  return { clientId: formDecode(text.slice(0, colon)), secret: formDecode(text.slice(colon + 1)) }
}

const formDecode = (text: string) => new URLSearchParams(`v=${text.replaceAll('&', '%26')}`).get('v') as string
