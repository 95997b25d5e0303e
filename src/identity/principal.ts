import { allows } from './scopes.ts'

/** The identity and rights behind a request. Immutable: a change of the user, role or key makes a new one. */
export interface Principal {
  /** The user that the request acts for: new rows belong to it. */
  userId: string
  role: string
  scopes: ReadonlySet<string>
  /** The login that the access token came from; undefined for keys and tokens of services. */
  sessionId?: string | undefined
  /** The API key, also when it acts through an access token. */
  keyId?: string | undefined
  /** Whether it has all rights of the user's role: not through a key, nor by a narrowed token. */
  isFull?: boolean
  /** The rate tier of the key. */
  tier?: string | undefined
  /** When the credential ends by itself, in milliseconds since 1970; undefined where it does not. */
  expiresAt?: number | undefined
}

/** Whether a principal sees all users' rows of an owned resource: with `<resource>:*` or `*`. */
export function canSeeAllRows(principal: Pick<Principal, 'scopes'>, resource: string): boolean {
  return allows(principal.scopes, `${resource}:*`)
}
