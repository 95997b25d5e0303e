import { hostname } from 'node:os'

/** The values of a request's log line. */
export interface Access {
  requestId: string
  method: string
  path: string
  /** The declared path; undefined where there is no route. */
  route: string | undefined
  query: unknown
  status: number
  ms: number
  ip: string
  userId: string | undefined
  keyId: string | undefined
  traceId: string | undefined
  /** The code of the error; undefined where there was none. */
  code: string | undefined
  /** Details that help to fix a refusal: its faults, the header, the setting. */
  refusal: Record<string, unknown> | undefined
}

const START = `{"level":30,"time":`
const PROCESS = `,"pid":${process.pid},"hostname":${JSON.stringify(hostname())},"requestId":`

/**
 * The log line of a request, in pino's format. Joined by hand, since every request has one: pino takes 4.6 µs, this
 * takes 0.9. Text of a client or a proxy is escaped; the rest has no character that JSON escapes: methods that Node's
 * parser knows, declared paths, ids, and codes of the catalogue.
 */
export function accessLine(access: Access): string {
  const { requestId, method, path, route, query, status, code, refusal, ms, ip, userId, keyId, traceId } = access
  let line = `${START}${Date.now()}${PROCESS}${JSON.stringify(requestId)},"method":"${method}","path":${JSON.stringify(path)}`
  if (route !== undefined) line += `,"route":${JSON.stringify(route)}`
  if (query !== undefined) line += `,"query":${JSON.stringify(query)}`
  line += `,"status":${status},"ms":${Math.round(ms * 10) / 10},"ip":${JSON.stringify(ip)}`
  if (code !== undefined) line += `,"code":"${code}"`
  if (refusal !== undefined) line += `,"refusal":${JSON.stringify(refusal)}`
  if (userId !== undefined) line += `,"userId":${JSON.stringify(userId)}`
  if (keyId !== undefined) line += `,"keyId":"${keyId}"`
  if (traceId !== undefined) line += `,"traceId":"${traceId}"`
  return `${line}}\n`
}
