import type { CallToolResult, Server, Tool } from '@modelcontextprotocol/server'
import { ApiError } from '../errors.ts'
import { toProblem } from '../http/problem.ts'
import { shorten } from '../schema/pointer.ts'
import { compileValidator } from '../schema/validate.ts'
import { describe, FINDERS, listedFor, listTools, search } from './find.ts'
import type { Caller, OperationTool } from './operations.ts'
import { requestOf, type ToolRequest } from './request.ts'
import { resultOf, type ToolAnswer } from './result.ts'

/** A message of a client, as it came. */
export interface McpExchange {
  /** The URL and the headers of the request. */
  url: string
  headers: Record<string, string | string[] | undefined>
  /** The JSON-RPC message. */
  message: object
  requestId: string
  caller: Caller | null
  tools: ReadonlyMap<string, OperationTool>
  /** Sends a request to the API for the caller. */
  send: (request: ToolRequest) => Promise<ToolAnswer>
  /** Gets an error that is ours; the client gets INTERNAL. */
  log: { error: (details: object, message: string) => void }
}

const INSTRUCTIONS = `Each tool is an operation of the API, with its arguments grouped as path, query, headers and body.
Lists come in pages: pass page.next as query.cursor until it is null. A refusal has isError and a problem body: branch on
error.code, and details name each refused value. Give each change a headers.idempotency-key of its own: sent again, it happens
once. headers.prefer "tx=rollback" tries a change and keeps nothing. headers.if-match takes the etag that was read.
Where search is listed, find operations with it, read about one with describe, and use it with call.`

/**
 * Answers one message of a client of the Model Context Protocol, without a session: with the protocol of 2026-07-28, or for a
 * client that begins with \`initialize\` with an earlier one. No stream is ever opened.
 */
export async function answerMessage(
  about: { name: string; version: string },
  exchange: McpExchange
): Promise<Response> {
  // Loaded with the first message: it takes a tenth of a second, which a server without MCP clients need not spend.
  const { Server, createMcpHandler, isLegacyRequest, WebStandardStreamableHTTPServerTransport } = await import(
    '@modelcontextprotocol/server'
  )
  const request = asWebRequest(exchange)
  const server = new Server(about, { capabilities: { tools: {} }, instructions: INSTRUCTIONS })
  addTools(server, exchange)
  const parsedBody = exchange.message
  if (await isLegacyRequest(request, parsedBody)) {
    const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true })
    await server.connect(transport)
    return transport.handleRequest(request, { parsedBody })
  }
  return createMcpHandler(() => server, { legacy: 'reject', maxSubscriptions: 0 }).fetch(request, { parsedBody })
}

// The body was parsed already, and is handed over beside it.
function asWebRequest({ url, headers }: McpExchange): Request {
  const sent = Object.entries(headers).filter(([, value]) => typeof value === 'string') as [string, string][]
  return new Request(url, { method: 'POST', headers: sent })
}

function addTools(server: Server, exchange: McpExchange): void {
  const { tools, caller } = exchange
  server.setRequestHandler('tools/list', () => ({ tools: listTools(listedFor(tools, caller)) as Tool[] }))
  server.setRequestHandler('tools/call', ({ params: { name, arguments: given = {} } }) =>
    callTool(exchange, name, given)
  )
}

async function callTool(exchange: McpExchange, name: string, given: Record<string, unknown>): Promise<CallToolResult> {
  const { tools, caller, requestId, send, log } = exchange
  if (!tools.has(name) && !FINDERS.some((one) => one.name === name)) throw unknownTool(name)
  try {
    const finder = FINDERS.find((one) => one.name === name)
    if (!finder) return resultOf(await send(requestOf(tools.get(name) as OperationTool, given)))
    const valid = compileValidator(finder.inputSchema, 'body')(given)
    if (valid !== true) throw valid.error
    const { query = '', name: operation = '', arguments: inner = {} } = given as Found
    if (name === 'search') return asResult(search(listedFor(tools, caller), query))
    const tool = tools.get(operation)
    if (!tool) throw new ApiError('NOT_FOUND', 'There is no operation of this name.')
    return name === 'describe' ? asResult(describe(tool)) : resultOf(await send(requestOf(tool, inner)))
  } catch (error) {
    if (!(error instanceof ApiError)) log.error({ err: error }, 'the call of a tool failed')
    const known = error instanceof ApiError ? error : new ApiError('INTERNAL')
    const text = JSON.stringify(toProblem(known, requestId))
    return resultOf({ status: known.statusCode, headers: known.headers, text })
  }
}

interface Found {
  query?: string
  name?: string
  arguments?: Record<string, unknown>
}

const asResult = (value: object) => resultOf({ status: 200, headers: {}, text: JSON.stringify(value) })

const INVALID_PARAMS = -32602

/** The protocol answers this as an error of JSON-RPC, by its code. */
const unknownTool = (name: string) =>
  Object.assign(new Error(`There is no tool ${JSON.stringify(shorten(name))}.`), { code: INVALID_PARAMS })
