import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeKey } from '../throughput/key.ts'
import { end } from '../throughput/processes.ts'
import { ROOT, type RunningServer, startServer, tenon } from '../throughput/servers.ts'

/** A server that has just started, and a key for it. */
export interface FreshServer extends RunningServer {
  key: string
}

const WARM_TIMES = 50
const SETTLED_MS = 1000

/** Starts a server, lets it answer small requests, hands it over, and ends it. */
export async function withServer(
  databaseUrl: string,
  folder: string,
  work: (server: FreshServer) => Promise<void>
): Promise<void> {
  const running = await startServer(tenon('tenon', ROOT), databaseUrl, folder, {
    LOG_LEVEL: 'error',
    RATE_LIMIT_ENABLED: 'false',
    ...(process.env.NODE_OPTIONS && { NODE_OPTIONS: process.env.NODE_OPTIONS })
  })
  try {
    const server = { ...running, key: await makeKey(running) }
    await warm(server)
    await work(server)
  } finally {
    await end(running.child)
  }
}

// What a server grows by because it answers at all (connections, code that is compiled) is not what a stream takes. No
// stream of it is longer than the 50 categories.
async function warm({ url, key }: FreshServer): Promise<void> {
  const headers = { 'x-api-key': key }
  const products = `${url}/api/v1/products`
  for (let time = 0; time < WARM_TIMES; time += 1) {
    const calls = [
      fetch(`${url}/api/v1/categories/export`, { headers }),
      fetch(`${products}?limit=20`, { headers }),
      fetch(`${products}/00000000-0000-7000-8000-000000000000`, { headers }),
      // Its one line is refused, so that nothing is written.
      fetch(`${products}/import`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/x-ndjson' },
        body: '{"name":"refused"}\n'
      })
    ]
    for (const answer of await Promise.all(calls)) await answer.arrayBuffer()
  }
  await sleep(SETTLED_MS)
}

/**
 * How much more memory a server holds at most while something is done. The kernel keeps the peak, so nothing falls between
 * two looks.
 * @param work is given a look at the growth so far, in MB.
 */
export async function growing<T>(
  { pid }: RunningServer,
  work: (grownMb: () => number) => Promise<T>
): Promise<{ result: T; grownMb: number }> {
  // Sets the peak to what is held now: proc(5), /proc/pid/clear_refs.
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const start = peakMb(pid)
  const grownMb = () => peakMb(pid) - start
  const result = await work(grownMb)
  return { result, grownMb: grownMb() }
}

// Resident memory of the server alone: it is a process of its own.
const peakMb = (pid: number) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
