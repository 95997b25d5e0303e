import { allows } from '../identity/scopes.ts'
import { inputSchemaOf, type ObjectSchema } from './schemas.ts'

/** What tools need to know of a route. */
export interface DeclaredRoute {
  method: string | string[]
  url: string
  config?: { access?: string; credential?: string; resource?: { name: string } }
  schema?: DeclaredSchema
}

interface DeclaredSchema {
  hide?: boolean
  operationId?: string
  tags?: readonly string[]
  summary?: string
  description?: string
  deprecated?: boolean
  consumes?: readonly string[]
  params?: unknown
  querystring?: unknown
  headers?: unknown
  body?: unknown
  response?: unknown
}

/** The caller, as far as it decides which operations are listed. */
export interface Caller {
  scopes: ReadonlySet<string>
  /** Whether it has all rights of its user: a login, and no key or narrowed token. */
  isFull?: boolean
}

/** A tool as clients see it. */
export interface ListedTool {
  name: string
  title: string
  description: string
  inputSchema: ObjectSchema
  annotations: Annotations
}

/** An operation of the API as a tool; its name is the operationId. */
export interface OperationTool extends ListedTool {
  /** The resource that it belongs to: the first tag. */
  resource: string
  method: string
  /** The declared path, with `:name` for each parameter. */
  url: string
  access: string
  schema: DeclaredSchema
  /** The length of its JSON in a list. */
  size: number
}

/** Hints for a client that asks its user before some calls. */
interface Annotations {
  title: string
  readOnlyHint: boolean
  destructiveHint: boolean
  idempotentHint: boolean
  openWorldHint: boolean
}

// About the server, and OAuth, with credentials in the form: no caller's key decides about them.
const NO_TOOLS = new Set(['meta', 'oauth'])

/**
 * The operations that can be tools: JSON in, JSON out, under the credential of the caller. Streams (import, export, events
 * as they come) and the routes that judge a credential of their own (login, refresh) are left out.
 * @param describe adds to the schema of a route the headers that its document has.
 */
export function operationTools<R extends DeclaredRoute>(
  routes: Iterable<R>,
  describe: (route: R) => DeclaredSchema
): Map<string, OperationTool> {
  const tools = new Map<string, OperationTool>()
  for (const route of routes) {
    if (!isTool(route)) continue
    const tool = toolOf(route, describe(route))
    tools.set(tool.name, tool)
  }
  return tools
}

function isTool({ method, config = {}, schema = {} }: DeclaredRoute): boolean {
  const { operationId, hide, tags, consumes } = schema
  if (method === 'HEAD' || hide || operationId === undefined || NO_TOOLS.has(tags?.[0] as string)) return false
  const takesJson = consumes === undefined || consumes.includes('application/json')
  return config.credential === undefined && takesJson && answersJson(schema)
}

function answersJson({ response = {} }: DeclaredSchema): boolean {
  const answers = Object.entries(response as Record<string, { content?: Record<string, unknown> }>)
  return answers.every(([status, { content }]) => !status.startsWith('2') || !content || 'application/json' in content)
}

function toolOf({ method, url, config }: DeclaredRoute, schema: DeclaredSchema): OperationTool {
  const { operationId, tags, summary, description, deprecated } = schema
  const sentences = [summary, deprecated && 'Deprecated', description].filter(Boolean)
  const listed: ListedTool = {
    name: operationId as string,
    title: summary as string,
    description: sentences.map((one) => String(one).replace(/\.?$/, '.')).join(' '),
    inputSchema: inputSchemaOf(schema),
    annotations: annotationsOf(String(method), schema)
  }
  return {
    ...listed,
    resource: config?.resource?.name ?? (tags?.[0] as string),
    method: String(method),
    url,
    access: config?.access as string,
    schema,
    size: JSON.stringify(listed).length
  }
}

/** What clients see of a tool. */
export const asListed = ({ name, title, description, inputSchema, annotations }: ListedTool): ListedTool => ({
  name,
  title,
  description,
  inputSchema,
  annotations
})

function annotationsOf(method: string, { summary, response }: DeclaredSchema): Annotations {
  const isRead = method === 'GET'
  // A create adds one; every other change may take something away.
  const isCreate = method === 'POST' && '201' in (response as object)
  return {
    title: summary as string,
    readOnlyHint: isRead,
    destructiveHint: !isRead && !isCreate,
    idempotentHint: isRead || method === 'PUT' || method === 'DELETE',
    // It changes this API only.
    openWorldHint: false
  }
}

const VERBS: Record<string, string> = { GET: 'read', DELETE: 'delete' }

/**
 * Whether an operation is listed for a caller. A key or narrowed token has the operations of its scopes: a public one
 * counts as `<resource>:read`. The list is a convenience; each call is authorized by the route itself.
 */
export function isListed({ access, resource, method }: OperationTool, caller: Caller | null): boolean {
  if (!caller) return access === 'public'
  if (access.includes(':')) return allows(caller.scopes, access)
  if (caller.isFull) return true
  return access !== 'account' && allows(caller.scopes, `${resource}:${VERBS[method] ?? 'write'}`)
}
