interface Tagged {
  paths: Record<string, Record<string, { tags?: string[] }>>
}

/** Lists the tags that the operations have: a resource is documented by being there. */
export function listTags(document: object): object {
  const operations = Object.values((document as Tagged).paths).flatMap((path) => Object.values(path))
  const names = [...new Set(operations.flatMap(({ tags = [] }) => tags))].sort()
  return { ...document, tags: names.map((name) => ({ name })) }
}
