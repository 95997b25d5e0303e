import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { MisuseError } from '../misuse.ts'
import { isObject, type Schema, toJsonSchema } from './schema.ts'

/** A parameter of an operation. */
export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header' | 'cookie'
  required?: boolean
  description?: string
  schema?: Schema
  content?: Record<string, { schema?: Schema }>
  style?: string
  explode?: boolean
}

/** What a document says about an answer. */
export interface ResponseObject {
  content?: Record<string, { schema?: Schema }>
  headers?: Record<string, { required?: boolean; schema?: Schema }>
}

interface OperationObject {
  operationId?: string
  tags?: string[]
  summary?: string
  parameters?: Parameter[]
  requestBody?: { required?: boolean; content: Record<string, { schema?: Schema; example?: unknown }> }
  responses?: Record<string, ResponseObject>
  security?: Record<string, string[]>[]
}

/** How a credential is sent. */
export interface SecurityScheme {
  type: string
  in?: 'header' | 'query' | 'cookie'
  name?: string
  scheme?: string
}

/** An OpenAPI document of 3.0 or 3.1, its schemas those of 3.1, and the address of its server. */
export interface ApiDocument {
  openapi: string
  title: string
  /** Empty where the document names none. */
  version: string
  paths: Record<string, Record<string, OperationObject> & { parameters?: Parameter[] }>
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, SecurityScheme> }
  security: Record<string, string[]>[] | undefined
  /** Without a slash at the end. */
  server: string
}

/** An operation as the tools use it: references resolved, parameters of its path included. */
export interface Operation {
  id: string
  tags?: string[] | undefined
  summary?: string | undefined
  /** In upper case. */
  method: string
  path: string
  parameters: Parameter[]
  body: { required: boolean; content: Record<string, { schema?: Schema; example?: unknown }> } | undefined
  responses: Record<string, ResponseObject>
  /** Empty, or with an empty alternative, where a request needs no credential. */
  security: Record<string, string[]>[]
}

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']
const PATIENCE_MS = 30_000

/**
 * Reads an OpenAPI document from a URL or a file, JSON or YAML.
 * @param server the address to call, when the document names none or another.
 * @throws MisuseError when it cannot be read, is no document of 3.0 or 3.1, or names no server.
 */
export async function readDocument(
  source: string,
  { server, headers = {} }: { server?: string | undefined; headers?: Record<string, string> } = {}
): Promise<ApiDocument> {
  const isUrl = /^https?:\/\//.test(source)
  const text = await (isUrl ? download(source, headers) : readFile(source, 'utf8')).catch((error: Error) => {
    throw new MisuseError(`${source} cannot be read: ${error.message}`)
  })
  return prepareDocument(parsed(text, source), { source: isUrl ? source : undefined, server })
}

async function download(url: string, headers: Record<string, string>): Promise<string> {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE_MS) }).catch((error: Error) => {
    // `fetch failed` alone says nothing: the cause has the reason.
    throw error.cause
  })
  if (!response.ok) throw new Error(`the answer is ${response.status}`)
  return response.text()
}

function parsed(text: string, source: string): unknown {
  try {
    // Every JSON document is YAML, but the parser of JSON is twenty times as fast.
    return text.trimStart().startsWith('{') ? JSON.parse(text) : parse(text)
  } catch (error) {
    throw new MisuseError(`${source} is neither JSON nor YAML: ${(error as Error).message.split('\n')[0]}`)
  }
}

/**
 * Makes a parsed document ready for the tools.
 * @param source the URL that it came from, to which the address of its server may be relative.
 * @throws MisuseError when it is no document of 3.0 or 3.1, or names no server.
 */
export function prepareDocument(
  document: unknown,
  { source, server }: { source?: string | undefined; server?: string | undefined } = {}
): ApiDocument {
  const version = isObject(document) ? String(document.openapi ?? document.swagger) : 'unknown version'
  if (!/^3\.[01]\b/.test(version) || !isObject(document) || !isObject(document.paths))
    throw new MisuseError(`this is no OpenAPI document of 3.0 or 3.1, but of ${version}`)
  const { components = {}, paths, security, servers } = toJsonSchema(document) as Record<string, never>
  const { schemas = {}, securitySchemes = {} } = components as Partial<ApiDocument['components']>
  return {
    openapi: version,
    title: isObject(document.info) ? `${document.info.title}` : (source ?? 'a server'),
    version: isObject(document.info) && typeof document.info.version === 'string' ? document.info.version : '',
    paths: resolvePaths(document, paths),
    components: { schemas, securitySchemes },
    security,
    server: addressOf(server ?? (servers as { url?: string }[] | undefined)?.[0]?.url, source, server !== undefined)
  }
}

function addressOf(named: string | undefined, source: string | undefined, isGiven: boolean): string {
  // A document that was downloaded describes the server that sent it, unless the caller says otherwise.
  const base = source === undefined ? undefined : new URL(source).origin
  const url = URL.canParse(named ?? '/', base) ? new URL(named ?? '/', base) : undefined
  if (!url || !/^https?:$/.test(url.protocol))
    throw new MisuseError('the document names no server: name it with --server http://…')
  const address = base && !isGiven ? base + url.pathname : url.href
  return address.replace(/\/+$/, '')
}

/** The operations of a document, in its order, without those that answer with events: such an answer has no end. */
export const operationsOf = (document: ApiDocument): Operation[] =>
  allOperationsOf(document).filter(({ responses }) => !isStream(responses))

/** All operations of a document, in its order. */
export function allOperationsOf({ paths, security }: ApiDocument): Operation[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method]
      if (!operation) return []
      const id = operation.operationId ?? `${method.toUpperCase()} ${path}`
      const { parameters = [], requestBody, responses = {}, tags, summary } = operation
      const own = new Set(parameters.map(({ name, in: place }) => `${place} ${name}`))
      const inherited = (item.parameters ?? []).filter(({ name, in: place }) => !own.has(`${place} ${name}`))
      return {
        id,
        tags,
        summary,
        method: method.toUpperCase(),
        path,
        parameters: [...inherited, ...parameters],
        body: requestBody && { required: requestBody.required === true, content: requestBody.content },
        responses,
        security: operation.security ?? security ?? []
      }
    })
  )
}

/** Whether an operation answers with events alone. */
export function isStream(responses: Operation['responses']): boolean {
  const types = Object.entries(responses).flatMap(([status, { content = {} }]) =>
    status.startsWith('2') ? Object.keys(content) : []
  )
  return types.length > 0 && types.every((type) => /^text\/event-stream\b/i.test(type))
}

// References outside of schemas are resolved once; those to schemas stay, because schemas may contain themselves.
function resolvePaths(document: unknown, paths: unknown): ApiDocument['paths'] {
  const whole = toJsonSchema(document)
  const resolve = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(resolve)
    if (!isObject(node)) return node
    const ref = node.$ref
    if (typeof ref === 'string' && !ref.startsWith('#/components/schemas/')) return resolve(at(whole, ref))
    return Object.fromEntries(Object.entries(node).map(([name, value]) => [name, resolve(value)]))
  }
  return resolve(paths) as ApiDocument['paths']
}

function at(document: unknown, ref: string): unknown {
  if (!ref.startsWith('#/')) throw new MisuseError(`${ref} is in another document: bundle them into one first`)
  let node = document
  for (const step of ref.slice(2).split('/')) {
    const name = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')
    node = isObject(node) ? node[name] : undefined
  }
  if (node === undefined) throw new MisuseError(`${ref} is not in the document`)
  return node
}
