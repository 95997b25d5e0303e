import { asListed, isListed, type ListedTool, type OperationTool } from './operations.ts'
import { type JsonSchema, plainSchema } from './schemas.ts'

// The JSON of all tools in a list, in characters: about 30,000 tokens. A longer one would fill the context of a model.
const MAX_LISTED = 120_000

const MAX_FOUND = 20

type Tools = ReadonlyMap<string, OperationTool>

const reads = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false }
const NAME: JsonSchema = { type: 'string', description: 'The name of an operation, as `search` gives it.' }

/** The tools that take the place of a long list: find an operation, read about it, call it. */
export const FINDERS: ListedTool[] = [
  {
    name: 'search',
    title: 'Find operations',
    description: `Finds operations of the API by words: of a resource ("orders"), of what is done ("create", "list", "cancel"). Answers with at most ${MAX_FOUND}, the best first. Read about one with describe before the first call.`,
    inputSchema: object({ query: { type: 'string', maxLength: 200, description: 'A few words.' } }, ['query']),
    annotations: { title: 'Find operations', ...reads }
  },
  {
    name: 'describe',
    title: 'Describe an operation',
    description: 'What an operation does, the schema of its arguments, and the schemas of its answers by status.',
    inputSchema: object({ name: NAME }, ['name']),
    annotations: { title: 'Describe an operation', ...reads }
  },
  {
    name: 'call',
    title: 'Call an operation',
    description: 'Calls an operation with arguments of the schema that describe gives. It may change or delete data.',
    inputSchema: object(
      { name: NAME, arguments: { type: 'object', description: 'path, query, headers and body, as describe says.' } },
      ['name']
    ),
    annotations: {
      title: 'Call an operation',
      readOnlyHint: false,
      destructiveHint: true,
      idempotentHint: false,
      openWorldHint: false
    }
  }
]

function object(properties: Record<string, JsonSchema>, required: string[]) {
  return { type: 'object' as const, properties, required, additionalProperties: false }
}

/** The operations that are listed for a caller. */
export const listedFor = (tools: Tools, caller: Parameters<typeof isListed>[1]): OperationTool[] =>
  [...tools.values()].filter((tool) => isListed(tool, caller))

/** The tools that a client gets to see: the operations of its caller, or where they are too many those that find them. */
export function listTools(listed: OperationTool[]): ListedTool[] {
  const size = listed.reduce((sum, one) => sum + one.size, 0)
  return size > MAX_LISTED ? FINDERS : listed.map(asListed)
}

/** The operations that fit some words best, of those that are listed for the caller. */
export function search(listed: OperationTool[], query: string) {
  const words = query.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  const scored = listed.map((tool) => ({ tool, score: scoreOf(tool, words) }))
  const found = scored.filter(({ score }) => score > 0 || words.length === 0).sort((a, b) => b.score - a.score)
  const data = found.slice(0, MAX_FOUND).map(({ tool: { name, title, resource, annotations } }) => ({
    name,
    title,
    resource,
    readOnly: annotations.readOnlyHint
  }))
  return { data, total: found.length }
}

// A word in the name counts most, one in the description least. A plural finds the singular, and the other way round.
function scoreOf({ name, title, resource, description }: OperationTool, words: string[]): number {
  const places: [text: string, weight: number][] = [
    [name, 4],
    [resource, 3],
    [title, 2],
    [description, 1]
  ]
  const lower = places.map(([text, weight]) => [text.toLowerCase(), weight] as const)
  return words.reduce((score, word) => {
    const stem = word.length > 3 ? word.replace(/(ies|y|s)$/, '') : word
    return score + lower.reduce((sum, [text, weight]) => sum + (text.includes(stem) ? weight : 0), 0)
  }, 0)
}

/** Everything about one operation. */
export function describe({ name, description, resource, access, inputSchema, annotations, schema }: OperationTool) {
  const answers = Object.entries(schema.response as object)
    .filter(([status]) => status.startsWith('2'))
    .map(([status, answer]) => [status, plainSchema(answer)])
  return { name, description, resource, access, inputSchema, answers: Object.fromEntries(answers), annotations }
}
