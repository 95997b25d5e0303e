import { isIP } from 'node:net'
import type { Command } from 'commander'
import { loadConfig } from '../config.ts'

/** A running server that cannot be asked, or refused. The message says why in one line. */
export class RunningServerError extends Error {
  override name = 'RunningServerError'
}

/** The options of a command that a running server can do. */
export interface ServerFlags {
  key?: string
  url?: string
}

/** Adds the options of a command that a running server can do. */
export const withServerFlags = (command: Command): Command =>
  command
    .option('--key <key>', 'where a server has the embedded database open: the key of an administrator (TENON_KEY)')
    .option('--url <url>', 'where that server is (http://HOST:PORT)')

/**
 * Does something on the database; where a server has the embedded one open, and there is a key, through that server.
 * @throws DirectoryInUseError without a key, RunningServerError when the server refuses.
 */
export async function onDatabaseOrServer<T>(
  env: NodeJS.ProcessEnv,
  { key = env.TENON_KEY, url }: ServerFlags,
  onDatabase: () => Promise<T>,
  onServer: (server: RunningServer) => Promise<T>
): Promise<T> {
  try {
    return await onDatabase()
  } catch (error) {
    if ((error as Error).name !== 'DirectoryInUseError') throw error
    if (key) return onServer(new RunningServer(url ?? addressOf(env), key))
    const inUse = error as Error
    inUse.message += ': with the key of an administrator in TENON_KEY, or as --key, this command does'
    throw inUse
  }
}

function addressOf(env: NodeJS.ProcessEnv): string {
  const { HOST, PORT } = loadConfig(env)
  const isAny = HOST === '0.0.0.0' || HOST === '::'
  return `http://${isAny ? 'localhost' : isIP(HOST) === 6 ? `[${HOST}]` : HOST}:${PORT}`
}

type Body = Record<string, unknown>

/** A Tenon server, asked with a key. */
export class RunningServer {
  readonly #url: string
  readonly #key: string

  constructor(url: string, key: string) {
    this.#url = url.replace(/\/$/, '')
    this.#key = key
  }

  /**
   * Sends a request. @param path below `/api/v1`. @returns the body of the answer; an empty object where it has none.
   * @throws RunningServerError when it is refused, or there is no answer.
   */
  async send<T extends object>(method: string, path: string, body?: Body): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#key}`, ...(body && { 'content-type': 'application/json' }) },
      body: body ? JSON.stringify(body) : null
    }).catch((error: Error) => {
      throw new RunningServerError(`${this.#url} does not answer (--url names another): ${reasonOf(error)}`)
    })
    const text = await response.text()
    if (response.ok) return JSON.parse(text || '{}')
    throw new RunningServerError(`${this.#url} refused with ${response.status}: ${reasonIn(text)}`)
  }

  /** The rows of a list, page by page. */
  async list<T>(path: string, query: Record<string, string> = {}): Promise<T[]> {
    const rows: T[] = []
    let cursor: string | null = null
    do {
      const parameters = new URLSearchParams({ ...query, limit: '200', ...(cursor && { cursor }) })
      const page: { data: T[]; page: { next: string | null } } = await this.send('GET', `${path}?${parameters}`)
      rows.push(...page.data)
      cursor = page.page.next
    } while (cursor)
    return rows
  }
}

// fetch says "fetch failed", and the code is in the cause.
const reasonOf = ({ message, cause }: Error) => (cause as { code?: string } | undefined)?.code ?? message

function reasonIn(text: string): string {
  try {
    const { detail, details = [] } = JSON.parse(text) as Problem
    return [detail, ...details.map(({ path, message }) => `${path.slice(1)} ${message}`)].join(' ')
  } catch {
    return text.slice(0, 200)
  }
}

interface Problem {
  detail: string
  details?: { path: string; message: string }[]
}
