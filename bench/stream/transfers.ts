import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Database } from '../throughput/database.ts'
import type { FreshServer } from './server.ts'

async function openExport(url: string, type: string): Promise<IncomingMessage> {
  const request = httpRequest(`${url}/api/v1/products/export`, { headers: { accept: type }, agent: false }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`the export answered ${response.statusCode}`)
  return response
}

/** An export, to its end. */
export async function download(url: string, type: string, sink: Writable): Promise<void> {
  await pipeline(await openExport(url, type), sink)
}

/** Takes so many bytes a second at first, and whatever comes after that. @param onFast is told when the slow part is over. */
export function slowSink(bytesPerSecond: number, forMs: number, onFast: () => void): Writable {
  const until = performance.now() + forMs
  let isSlow = true
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (performance.now() < until) return void setTimeout(done, (chunk.length / bytesPerSecond) * 1000)
      if (isSlow) onFast()
      isSlow = false
      done()
    }
  })
}

/** How long after its end an export is still seen in the database, in milliseconds. */
export async function abortedExport(url: string, type: string, { sql, url: databaseUrl }: Database): Promise<number> {
  const name = new URL(databaseUrl).pathname.slice(1)
  const response = await openExport(url, type)
  for await (const _ of response) break
  response.destroy()
  const aborted = performance.now()
  let lastSeen = aborted
  // A batch may come between two looks, so one look without it says nothing.
  while (performance.now() - lastSeen < 500 && performance.now() - aborted < 5000) {
    const [{ busy }] = (await sql`
      select count(*)::int as busy from pg_stat_activity
      where datname = ${name} and application_name = 'tenon' and state <> 'idle'`) as unknown as [{ busy: number }]
    if (busy > 0) lastSeen = performance.now()
  }
  return lastSeen - aborted
}

/** How other requests are answered while so many exports run at once, for so long. */
export async function p99During(url: string, type: string, { sql }: Database, exports: number, ms: number) {
  const running = await Promise.all(Array.from({ length: exports }, () => openExport(url, type)))
  for (const response of running) response.on('error', () => {}).resume()
  const [{ id }] = (await sql`select id from products limit 1`) as unknown as [{ id: string }]
  const paths = [`/api/v1/products/${id}`, '/api/v1/products?limit=20', '/api/v1/categories', '/livez']
  const times: number[] = []
  let failed = 0
  const until = performance.now() + ms
  for (let index = 0; performance.now() < until; index += 1) {
    const at = performance.now()
    const answer = await fetch(url + paths[index % paths.length])
    await answer.arrayBuffer()
    times.push(performance.now() - at)
    if (!answer.ok) failed += 1
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const atOnce = running.filter((response) => !response.complete).length
  for (const response of running) response.destroy()
  times.sort((a, b) => a - b)
  return {
    atOnce,
    count: times.length,
    failed,
    p99: times[Math.floor(times.length * 0.99)] as number,
    most: times.at(-1) as number
  }
}

/** An import of a file. @returns the beginning of the answer. */
export async function upload({ url, key }: FreshServer, type: string, file: string): Promise<string> {
  const request = httpRequest(`${url}/api/v1/products/import`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': type }
  })
  const [[response]] = (await Promise.all([
    once(request, 'response'),
    pipeline(createReadStream(file), request)
  ])) as unknown as [[IncomingMessage]]
  return Buffer.concat(await response.toArray())
    .toString()
    .slice(0, 300)
}
