import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { SCOPE_PATTERN } from '../scopes.ts'

const URL_PATTERN = '^https?://[^\\s,]+$'
const ALGORITHMS = ['EdDSA', 'Ed25519', 'ES256', 'RS256', 'PS256'] as const

const TrustedIssuer = Type.Object(
  {
    /** The `iss` of its tokens; with or without a slash at the end. */
    issuer: Type.String({ pattern: URL_PATTERN }),
    /** The required `aud`. Default: JWT_AUDIENCE. `null`: any, where every token of the issuer is for this API. */
    audience: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Null()])),
    /** The claim that names the audience, where that is not `aud`: `client_id` of Cognito, `azp` of Clerk. */
    audienceClaim: Type.Optional(Type.String({ minLength: 1 })),
    /** The address of its keys. Default: the one in its metadata. */
    jwksUri: Type.Optional(Type.String({ pattern: URL_PATTERN })),
    algorithms: Type.Optional(Type.Array(Type.Union(ALGORITHMS.map((one) => Type.Literal(one))), { minItems: 1 })),
    /** The claim with the scopes; dots lead into an object. Default: scope, scp or permissions. */
    scopeClaim: Type.Optional(Type.String({ minLength: 1 })),
    /** The local scopes for each of the issuer's own words; with it, its other words grant nothing. */
    scopes: Type.Optional(Type.Record(Type.String(), Type.Array(Type.String({ pattern: SCOPE_PATTERN })))),
    /** The role of its users here: the upper bound for its tokens. */
    role: Type.Optional(Type.String({ minLength: 1 }))
  },
  { additionalProperties: false }
)

/** An accepted issuer, complete except for the values that its metadata gives. */
export type IssuerSettings = Required<Omit<Static<typeof TrustedIssuer>, Open>> &
  Pick<Static<typeof TrustedIssuer>, Open>
type Open = 'jwksUri' | 'scopes' | 'scopeClaim'

/** An issuer with an unusable configuration. It stops the start; its message is one line for a person. */
export class TrustedIssuerError extends Error {
  override name = 'TrustedIssuerError'
}

/**
 * The issuers of `TRUSTED_ISSUERS`: URLs, comma-separated, or a JSON list.
 * @throws Error saying in one line what is wrong.
 */
export function parseTrustedIssuers(text: string, audience: string): IssuerSettings[] {
  const list = text.trim().startsWith('[') ? parseList(text) : plainList(text)
  const schema = Type.Array(TrustedIssuer)
  const fault = Value.Errors(schema, list).First()
  if (fault) throw new Error(`${fault.path} ${fault.message.toLowerCase()}`)
  return (list as Static<typeof schema>).map((one) => ({
    ...one,
    audience: one.audience === undefined ? audience : one.audience,
    audienceClaim: one.audienceClaim ?? 'aud',
    algorithms: one.algorithms ?? [...ALGORITHMS],
    role: one.role ?? 'member'
  }))
}

function parseList(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('is not a JSON list')
  }
}

const plainList = (text: string) =>
  text
    .split(',')
    .map((issuer) => issuer.trim())
    .filter(Boolean)
    .map((issuer) => ({ issuer }))
