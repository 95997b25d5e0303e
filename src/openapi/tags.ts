interface Tagged {
  paths: Record<string, Record<string, { tags?: string[] }>>
}

/** Lists the tags of the operations: a resource documents itself by its presence. */
export function listTags(document: object): object {
  const operations = Object.values((document as Tagged).paths).flatMap((path) => Object.values(path))
  const names = [...new Set(operations.flatMap(({ tags = [] }) => tags))].sort()
  return { ...document, tags: names.map((name) => ({ name, description: describe(name) })) }
}

// Routes that belong to no resource, by their tag.
const OTHERS: Record<string, string> = {
  auth: 'Logging in as a user: access tokens, refresh tokens, sessions and passwords.',
  events: 'What changed, in the order of the commits: for callers that keep a copy, or act on changes.',
  meta: 'About the server itself: health, metrics, this document.',
  oauth: 'OAuth 2 for services: tokens, their end, and what they are worth.'
}

const describe = (name: string) =>
  OTHERS[name] ??
  `The resource \`${name}\`: one by one, in lists, and many at once. Its scopes are \`${name}:read\`, \`${name}:write\` and \`${name}:delete\`.`
