import type { FastifyInstance } from 'fastify'

/** The answer to one message: its status, and the result or error of the message. */
export interface Exchanged {
  status: number
  headers: Record<string, string>
  // biome-ignore lint/suspicious/noExplicitAny: tests look into results of every shape
  result: any
  // biome-ignore lint/suspicious/noExplicitAny: tests look into errors of every shape
  error: any
}

/** A client of `/mcp` without a session, as the protocol allows since 2025. */
export interface Mcp {
  exchange: (method: string, params?: object, headers?: Record<string, string>) => Promise<Exchanged>
  /** The names of the tools that are listed. */
  names: () => Promise<string[]>
  // biome-ignore lint/suspicious/noExplicitAny: tests look into results of every shape
  call: (name: string, given?: object, headers?: Record<string, string>) => Promise<any>
}

export const ACCEPT = { accept: 'application/json, text/event-stream' }

/** Makes the client of one caller. @param as its access token or key; anonymous when left out. */
export function makeMcp(app: FastifyInstance, as?: string): Mcp {
  let id = 0
  async function exchange(method: string, params: object = {}, headers: Record<string, string> = {}) {
    id += 1
    const response = await app.inject({
      method: 'POST',
      url: '/mcp',
      headers: { ...ACCEPT, ...(as && { authorization: `Bearer ${as}` }), ...headers },
      payload: { jsonrpc: '2.0', id, method, params }
    })
    const { result, error } = response.payload === '' ? ({} as never) : response.json()
    return { status: response.statusCode, headers: response.headers as Record<string, string>, result, error }
  }
  const list = async () => (await exchange('tools/list')).result.tools as { name: string }[]
  return {
    exchange,
    names: async () => (await list()).map(({ name }) => name).sort(),
    call: async (name, given = {}, headers) =>
      (await exchange('tools/call', { name, arguments: given }, headers)).result
  }
}
