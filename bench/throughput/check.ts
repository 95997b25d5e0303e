import { deepStrictEqual } from 'node:assert'
import { type Database, expectedProducts, ID_BASE, productId } from './database.ts'
import { fill, type Requests } from './generator.ts'
import type { RunningServer } from './servers.ts'

/** Sends one request of a load, its places filled, and reads the answer, which must be 2xx. */
export async function ask(
  { url }: RunningServer,
  { method, path, headers, body }: Requests,
  numbers: Record<string, string | number> = {}
): Promise<{ status: number; body: unknown }> {
  const number = (name: string) => numbers[name] ?? ''
  const response = await fetch(url + fill(path, number), {
    method,
    ...(headers && { headers }),
    ...(body !== undefined && { body: fill(body, number) })
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}${path} answered ${response.status}: ${text.slice(0, 300)}`)
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

/** @throws AssertionError unless the first, the middle and the last product are answered as the database has them. */
export async function checkRead(server: RunningServer, read: Requests, database: Database): Promise<void> {
  for (const n of [1, Math.ceil(database.rows / 2), database.rows]) {
    const { body } = await ask(server, read, { id: ID_BASE + n })
    deepStrictEqual([body], await rowsOf(database, { id: productId(n) }))
  }
}

/** @throws AssertionError unless the list has the rows that the database has. */
export async function checkList(
  server: RunningServer,
  list: Requests,
  database: Database,
  expected: Parameters<typeof expectedProducts>[1]
): Promise<void> {
  const numbers: Record<string, number> = 'minPriceCents' in expected ? { price: expected.minPriceCents } : {}
  const { body } = await ask(server, list, numbers)
  deepStrictEqual((body as { data: unknown }).data, await rowsOf(database, expected))
}

/** The rows as JSON has them: those of postgres.js are arrays and objects with more to them. */
export async function rowsOf(...by: Parameters<typeof expectedProducts>): Promise<Record<string, unknown>[]> {
  return JSON.parse(JSON.stringify([...(await expectedProducts(...by))]))
}
