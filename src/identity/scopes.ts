import type { Fault } from '../errors.ts'

/** A route's access: public, any valid credential, a user's own full login (`account`), its own check, or a scope. */
export type Access = 'public' | 'authenticated' | 'account' | 'client' | Scope
export type Scope = `${string}:${string}`

/** The syntax of a scope: `products:read`, `orders:fulfil` (an action of its own), `products:*` or `*`. */
export const SCOPE_PATTERN = '^(\\*|[a-z][a-z0-9-]{0,62}:([a-z][a-z0-9-]{0,30}|\\*))$'
const SCOPE = new RegExp(SCOPE_PATTERN)

/** Whether a set of scopes contains one, directly or through `<resource>:*` or `*`. */
export function allows(scopes: ReadonlySet<string>, scope: string): boolean {
  return scopes.has(scope) || scopes.has('*') || scopes.has(`${scope.slice(0, scope.indexOf(':'))}:*`)
}

/** What two sets of scopes both allow: `*` and `items:*` have `items:*` in common. */
export function commonScopes(some: ReadonlySet<string>, others: ReadonlySet<string>): ReadonlySet<string> {
  const common = new Set<string>()
  for (const scope of some) if (allows(others, scope)) common.add(scope)
  for (const scope of others) if (allows(some, scope)) common.add(scope)
  return common
}

/** The faults of the `scopes` of a body: each unknown one, with a list of the known ones. */
export function unknownScopes(scopes: string[], known: ReadonlySet<string>): Fault[] {
  return scopes.flatMap((scope, index): Fault[] => {
    if (known.has(scope)) return []
    return [
      {
        in: 'body',
        path: `/scopes/${index}`,
        code: 'unknown',
        message: `is no scope: there are ${[...known].join(', ')}`
      }
    ]
  })
}

/** The scopes of a space-separated list (RFC 6749, section 3.3). Words that are no scope of this API are left out. */
export function parseScopes(text: string): ReadonlySet<string> {
  return new Set(text.split(' ').filter((scope) => SCOPE.test(scope)))
}
