import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { findProgram, freePort, start } from './processes.ts'

/** A server that can be measured. */
export interface ServerKind {
  name: string
  title: string
  /** Tenon's paths, headers and query parameters, or those that all peers share. */
  isTenon: boolean
  /** What is run, and where. */
  command: { file: string; args: string[]; cwd: string }
}

/** A server that listens. */
export interface RunningServer {
  kind: ServerKind
  child: ChildProcess
  pid: number
  port: number
  url: string
  /** From the start of its process until it listened, and what it held then. */
  startMs: number
}

/** The peer that others are compared beside: it runs first and last in each round. */
export const REFERENCE = 'fastify'

/** The folder of this checkout. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const ADMIN = { email: 'bench@example.com', password: 'a password for benchmarks' }

/** Tenon as it is in a folder. */
export function tenon(name: string, root: string): ServerKind {
  const script = join(root, 'src/server.ts')
  if (!existsSync(script)) throw new Error(`${root} is no checkout of Tenon`)
  const title = name === 'tenon' ? 'Tenon, everything on' : `Tenon in ${root}`
  return { name, title, isTenon: true, command: { file: process.execPath, args: [script], cwd: root } }
}

function peer(name: string, title: string, file: string | undefined): ServerKind[] {
  const script = join(ROOT, 'bench/peers', `${name}.ts`)
  return file ? [{ name, title, isTenon: false, command: { file, args: [script], cwd: ROOT } }] : []
}

/** The peers that can run on this machine. */
export const PEERS: ServerKind[] = [
  ...peer('fastify', 'Fastify, TypeBox, drizzle prepared', process.execPath),
  ...peer('express', 'Express, zod, drizzle prepared', process.execPath),
  ...peer('hono', 'Hono on Node, zod, drizzle prepared', process.execPath),
  ...peer('node-http', 'node:http, the same bytes each time', process.execPath),
  ...peer('elysia', 'Elysia on Bun, Bun’s own SQL', findProgram('bun'))
]

/** The environment of every server under load: ten connections for each of them. */
export function serverEnv(databaseUrl: string, port: number, more: Record<string, string> = {}): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_MAX: '10',
    PORT: String(port),
    ...more
  }
}

/** Tenon's own: one line a request is logged, limits are counted, nothing is turned off. */
export function tenonEnv(folder: string, more: Record<string, string>): Record<string, string> {
  return {
    LOG_LEVEL: 'info',
    RATE_LIMIT_ENABLED: 'true',
    DATA_DIR: folder,
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    ...more
  }
}

/**
 * Starts a server on the server's core, and waits until it answers. Its standard output, where logs go, is written to
 * /dev/null: the cost of writing is measured, the disk is not.
 */
export async function startServer(
  kind: ServerKind,
  databaseUrl: string,
  folder: string,
  more: Record<string, string>
): Promise<RunningServer> {
  mkdirSync(folder, { recursive: true })
  const port = Number(more.PORT ?? (await freePort()))
  const env = serverEnv(databaseUrl, port, kind.isTenon ? tenonEnv(folder, more) : {})
  const { file, args, cwd } = kind.command
  const nowhere = openSync('/dev/null', 'w')
  const startedAt = performance.now()
  const child = start('server', file, args, { cwd, env, stdio: ['ignore', nowhere, 'inherit'] })
  closeSync(nowhere)
  const url = `http://127.0.0.1:${port}`
  await untilAnswers(child, `${url}/livez`, kind.title)
  const startMs = performance.now() - startedAt
  return { kind, child, pid: child.pid as number, port, url, startMs }
}

async function untilAnswers(child: ChildProcess, url: string, title: string): Promise<void> {
  const gone = once(child, 'exit').then(() => Promise.reject(new Error(`${title} ended instead of listening`)))
  gone.catch(() => {})
  for (let tries = 0; tries < 2400; tries += 1) {
    const answer = await fetch(url).catch(() => undefined)
    await answer?.arrayBuffer()
    if (answer?.ok) return
    await Promise.race([gone, sleep(25)])
  }
  throw new Error(`${title} did not listen within a minute`)
}
