import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ID_BASE } from './database.ts'
import { findProgram, run } from './processes.ts'

/**
 * The requests of a load. In path and body `{id}` stands for the number in a random product's id, `{price}` for a random
 * price and `{serial}` for a number of twelve digits that counts up.
 */
export interface Requests {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  path: string
  headers?: Record<string, string>
  body?: string
}

/** How a load is sent, and the ranges of its random numbers. */
export interface Sending {
  connections: number
  seconds: number
  ids: number
  prices: number
}

/** What the load generator saw. */
export interface Seen {
  requests: number
  seconds: number
  p50Us: number
  p99Us: number
  /** Answers other than 2xx, timeouts and broken connections. */
  failures: number
}

export type Generator = (port: number, requests: Requests, sending: Sending) => Promise<Seen>

/** The load generator: wrk, or the connections of `tenon load` where that is not installed or they are asked for. */
export function chooseGenerator(wanted: 'wrk' | 'load' | undefined, folder: string): { name: string; send: Generator } {
  const wrk = findProgram('wrk')
  if (wanted === 'wrk' && !wrk) throw new Error('wrk is not installed')
  if (wanted === 'load' || !wrk) return { name: 'load', send: sendWithConnections }
  mkdirSync(folder, { recursive: true })
  return { name: 'wrk', send: (...load) => sendWithWrk(wrk, join(folder, 'load.lua'), ...load) }
}

const patience = (seconds: number) => (seconds + 15) * 1000

async function sendWithWrk(wrk: string, script: string, ...[port, requests, sending]: Parameters<Generator>) {
  writeFileSync(script, luaScript(port, requests, sending))
  const { connections, seconds } = sending
  const args = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '-s',
    script,
    `http://127.0.0.1:${port}`
  ]
  const output = await run('rest', wrk, args, patience(seconds))
  return JSON.parse(output.slice(output.lastIndexOf('\n{'))) as Seen
}

async function sendWithConnections(...[port, requests, sending]: Parameters<Generator>): Promise<Seen> {
  const script = fileURLToPath(new URL('./connections.ts', import.meta.url))
  const load = JSON.stringify({ port, requests, sending })
  return JSON.parse(await run('rest', process.execPath, [script, load], patience(sending.seconds)))
}

// One request is one concatenation: wrk.format builds it from a table each time, which costs the generator's core more.
function luaScript(port: number, { method, path, headers = {}, body }: Requests, { ids, prices }: Sending): string {
  const numbers: Record<string, string> = {
    id: `format("%.0f", ${ID_BASE} + random(1, ${ids}))`,
    price: `random(0, ${prices - 1})`,
    serial: 'format("%012d", serial)'
  }
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(fill(body, () => '0'.repeat(12)))}`]
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...length
  ]
  const parts = `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`.split(/\{(id|price|serial)\}/)
  const expression = parts.map((part, at) => (at % 2 === 1 ? numbers[part] : luaString(part))).join(' .. ')
  return `
local random, format, serial = math.random, string.format, 0
math.randomseed(${Date.now() % 2 ** 31})
function request()
  serial = serial + 1
  return ${expression}
end
function done(summary, latency)
  local e = summary.errors
  io.write(format('\\n{"requests":%d,"seconds":%f,"p50Us":%f,"p99Us":%f,"failures":%d}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end`
}

/** Puts numbers in the places of a path or body. */
export function fill(text: string, number: (name: string) => string | number): string {
  return text.replace(/\{(id|price|serial)\}/g, (_place, name) => String(number(name)))
}

function luaString(text: string): string {
  const escapes: Record<string, string> = { '\r': '\\r', '\n': '\\n', '"': '\\"', '\\': '\\\\' }
  return `"${text.replace(/[\r\n"\\]/g, (one) => escapes[one] as string)}"`
}
