import type { Agent } from 'node:http'
import type { Sql } from 'postgres'
import { type Answer, isOk, send } from './load.ts'
import { type Check, none } from './promise.ts'

interface Entry {
  title: string
  /** Repeated, under its Idempotency-Key, until it is acknowledged. */
  isKeyed: boolean
  /** The ids of the rows that the server said it had made. */
  acknowledged: Set<string>
}

/** What the server acknowledged to have written, and whether that is what is there. */
export class Ledger {
  readonly #entries: Entry[] = []
  readonly #headers: Record<string, string>
  readonly #run: string

  constructor(key: string) {
    this.#headers = { 'x-api-key': key }
    this.#run = `ledger-${process.hrtime.bigint().toString(36)}`
  }

  /** Writes one more: every other under an Idempotency-Key. */
  write(agent: Agent, url: string): Promise<Answer> {
    const n = this.#entries.length
    const entry = { title: `${this.#run}-${n}`, isKeyed: n % 2 === 0, acknowledged: new Set<string>() }
    this.#entries.push(entry)
    return this.#send(agent, url, entry)
  }

  /** Repeats what has a key and was not acknowledged, as a caller would. @returns how many were repeated. */
  async repeat(agent: Agent, url: string): Promise<number> {
    const open = this.#entries.filter(({ isKeyed, acknowledged }) => isKeyed && acknowledged.size === 0)
    for (let tries = 0; tries < 300; tries += 1) {
      const left = open.filter(({ acknowledged }) => acknowledged.size === 0)
      if (left.length === 0) break
      if (tries > 0) await new Promise((resolve) => setTimeout(resolve, 200))
      for (let at = 0; at < left.length; at += 50) {
        await Promise.all(left.slice(at, at + 50).map((entry) => this.#send(agent, url, entry)))
      }
    }
    return open.length
  }

  /** Compares with the rows. */
  async check(sql: Sql): Promise<Check[]> {
    const rows = await sql`
      select title, array_agg(id::text) as ids from items where title like ${`${this.#run}-%`} group by title`
    const written = new Map(rows.map(({ title, ids }) => [title as string, ids as string[]]))
    const known = this.#entries.filter(({ acknowledged }) => acknowledged.size > 0)
    const lost = known.filter(({ title, acknowledged }) =>
      [...acknowledged].some((id) => !written.get(title)?.includes(id))
    )
    const doubled = [...written.values()].filter((ids) => ids.length > 1)
    const open = this.#entries.filter(({ isKeyed, acknowledged }) => isKeyed && acknowledged.size === 0)
    return [
      none('acknowledged writes lost', lost.length, known.length),
      none('doubled', doubled.length),
      ...(open.length > 0 ? [none('writes with a key could not be repeated', open.length)] : [])
    ]
  }

  async #send(agent: Agent, url: string, { title, isKeyed, acknowledged }: Entry): Promise<Answer> {
    const headers = { ...this.#headers, ...(isKeyed && { 'idempotency-key': title }) }
    const answer = await send(agent, url, { method: 'POST', path: '/api/v1/items', headers, body: { title } })
    if (isOk(answer)) acknowledged.add(JSON.parse(answer.body).id)
    return answer
  }
}
