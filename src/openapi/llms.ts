interface Documented {
  info: { title: string; summary?: string; description?: string }
  paths: Record<string, Record<string, { operationId: string; tags: string[] }>>
}

/**
 * How to use the API, on one page for a language model (llmstxt.org), made from the OpenAPI document: what to know before the
 * first call, where the details are, and every path with its operations.
 * @param hasTools whether the operations are tools at `/mcp`, too.
 */
export function llmsText(document: object, hasTools: boolean): string {
  const { info, paths } = document as Documented
  const tags = new Map<string, string[]>()
  for (const [path, operations] of Object.entries(paths)) {
    const [tag] = Object.values(operations).flatMap(({ tags }) => tags) as [string]
    const listed = Object.entries(operations).map(
      ([method, { operationId }]) => `${method.toUpperCase()} ${operationId}`
    )
    tags.set(tag, [...(tags.get(tag) ?? []), `- \`${path}\`: ${listed.join(', ')}`])
  }
  const operations = [...tags].flatMap(([tag, lines]) => [`### ${tag}`, ...lines, ''])
  return [
    `# ${info.title}`,
    '',
    `> ${info.summary}`,
    '',
    info.description,
    '',
    '## Details',
    '- [OpenAPI document](/openapi.json): the schemas, parameters, scopes and answers of every operation',
    '- [Errors](/docs/errors): every code with its meaning',
    '- [Reference](/docs): the same for people',
    ...(hasTools
      ? ['- [MCP](/mcp): the operations as tools, over streamable HTTP, with the same credential in the same header']
      : []),
    '',
    '## Operations',
    'Each path with its methods and the operationId of each.',
    '',
    ...operations
  ].join('\n')
}
