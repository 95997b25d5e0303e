interface Scoped {
  config?: { access?: string; scopes?: readonly string[]; resource?: { name: string } } | undefined
}

/** What a key, a role or a grant can be given: the scopes that routes ask for, the usual ones of each resource, and `*`. */
export function knownScopes(routes: Iterable<Scoped>): ReadonlySet<string> {
  const known = new Set<string>(['*'])
  for (const { config } of routes) {
    const { access = '', scopes = [], resource } = config ?? {}
    const asked = [access, ...scopes].filter((scope) => scope.includes(':'))
    for (const scope of asked) known.add(scope).add(`${scope.slice(0, scope.indexOf(':'))}:*`)
    if (resource) for (const verb of ['read', 'write', 'delete', '*']) known.add(`${resource.name}:${verb}`)
  }
  return new Set([...known].sort())
}
