import type { Bench, Workload } from './bench.ts'
import { checkRead } from './check.ts'
import { type Database, productId } from './database.ts'
import type { Requests } from './generator.ts'
import { send } from './load.ts'
import { spell } from './requests.ts'
import { figure, type Result } from './results.ts'
import { interleave } from './rounds.ts'
import { REFERENCE, type RunningServer } from './servers.ts'

/** The time of one request alone: there is no other request to share a statement with. */
export const latencies: Workload[] = [
  {
    name: 'lone',
    title: 'One request alone: read one by id, beside the plain prepared query',
    async measure(bench) {
      const reference = bench.peers.find(({ name }) => name === REFERENCE)
      const kinds = reference ? [bench.tenon, reference] : [bench.tenon]
      const servers = await Promise.all(kinds.map((kind) => bench.server(kind)))
      for (const server of servers) await checkRead(server, spell(server.kind, bench.key).read, bench.database)
      const measures = servers.map((server) => () => alone(bench, server, spell(server.kind, bench.key).read))
      return compare(
        bench,
        this,
        kinds.map(({ name }) => name),
        measures
      )
    }
  },
  {
    name: 'pages',
    title: 'A deep page alone, by cursor, beside page 1 (large table)',
    async measure(bench) {
      const { database, server } = await tenonOn(bench, 'large', bench.options.largeRows)
      const page = Math.min(10_000, Math.floor(database.rows / 100))
      const first = spell(bench.tenon, bench.key).list
      const deep = {
        ...first,
        path: `${first.path}&cursor=${await cursorAfter(server, database, first, (page - 1) * 50)}`
      }
      const measures = [deep, first].map((requests) => () => alone(bench, server, requests, database))
      return compare(bench, this, [`page ${page.toLocaleString('en')}`, 'page 1'], measures)
    }
  },
  {
    name: 'sizes',
    title: 'A large table beside a small one: read one by id, alone',
    async measure(bench) {
      const { read } = spell(bench.tenon, bench.key)
      const measures = []
      for (const { database, server } of await largeAndSmall(bench)) {
        await checkRead(server, read, database)
        measures.push(() => alone(bench, server, read, database))
      }
      return compare(bench, this, ['large table', 'small table'], measures)
    }
  },
  {
    name: 'sizes-list',
    title: 'A large table beside a small one: the page in the middle by cursor, alone',
    async measure(bench) {
      const { list } = spell(bench.tenon, bench.key)
      const measures = []
      for (const { database, server } of await largeAndSmall(bench)) {
        const cursor = await cursorAfter(server, database, list, database.rows / 2)
        const requests = { ...list, path: `${list.path}&cursor=${cursor}` }
        measures.push(() => alone(bench, server, requests, database))
      }
      return compare(bench, this, ['large table', 'small table'], measures)
    }
  }
]

async function compare(
  { options }: Bench,
  { name, title }: Workload,
  subjects: string[],
  measures: (() => Promise<number>)[]
): Promise<Result> {
  for (const measure of measures) await measure()
  const samples = await interleave(options.rounds, measures)
  const figures = subjects.map((subject, at) =>
    figure(subject, samples[at] as number[], at === 0 ? undefined : samples[0])
  )
  return { workload: name, title, unit: 'µs, p50', isLowerBetter: true, figures }
}

async function alone(bench: Bench, server: RunningServer, requests: Requests, database?: Database): Promise<number> {
  const { seconds } = bench.options
  return (await send(bench, server, requests, { seconds, connections: 1, ...(database && { database }) })).p50Us
}

/** Tenon on a table of another size. */
export async function tenonOn(bench: Bench, name: 'large' | 'small', rows: number) {
  const database = await bench.databaseOf(name, rows)
  return { database, server: await bench.server(bench.tenon, database) }
}

async function largeAndSmall(bench: Bench) {
  const { largeRows, smallRows } = bench.options
  return [await tenonOn(bench, 'large', largeRows), await tenonOn(bench, 'small', smallRows)]
}

// Walks there as a caller would, in the longest steps that are allowed: a cursor does not say how long its page is.
async function cursorAfter(
  { url }: RunningServer,
  database: Database,
  { path, headers }: Requests,
  rows: number
): Promise<string> {
  let cursor = ''
  for (let done = 0; done < rows; ) {
    const limit = Math.min(200, rows - done)
    const step = path.replace('limit=50', `limit=${limit}`) + (cursor && `&cursor=${cursor}`)
    const response = await fetch(url + step, headers && { headers })
    const { data, page } = (await response.json()) as { data: { id: string }[]; page: { next: string } }
    done += limit
    // The newest come first.
    const last = productId(database.rows - done + 1)
    if (!response.ok || data.at(-1)?.id !== last)
      throw new Error(`${step} answered ${response.status}, not up to ${last}`)
    cursor = encodeURIComponent(page.next)
  }
  return cursor
}
