import { allows } from './scopes.ts'

/** Who sends a request, and what they may do. Made anew when their user, role or key changes, and never changed. */
export interface Principal {
  /** The user on whose behalf the request is made: what is owned belongs to them. */
  userId: string
  role: string
  scopes: ReadonlySet<string>
  /** The login that the access token came from; undefined for keys and tokens of services. */
  sessionId?: string | undefined
  /** The API key, also when it asks through an access token. */
  keyId?: string | undefined
  /** Whether it acts as the user, with all that the role allows: not through a key, nor by a narrowed token. */
  isFull?: boolean
  /** The rate tier of the key. */
  tier?: string | undefined
}

/** Whether a principal sees everybody's rows of an owned resource: holders of `<resource>:*` and `*` do. */
export function canSeeAllRows(principal: Principal, resource: string): boolean {
  return allows(principal.scopes, `${resource}:*`)
}
