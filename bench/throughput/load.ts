import type { Bench, Workload } from './bench.ts'
import { type Database, priceCount, removeWritten } from './database.ts'
import type { Requests, Seen } from './generator.ts'
import { cpuSeconds } from './processes.ts'
import { figure, median, type Result } from './results.ts'
import { REFERENCE, type RunningServer, type ServerKind } from './servers.ts'

/** A load of one kind of request, on Tenon and its peers in turn. */
export interface Load {
  name: string
  title: string
  /** What is sent; undefined where this server has no such route. `run` is a text that was not used before. */
  requests(kind: ServerKind, run: string): Requests | undefined
  /** @throws Error when the server does not answer as the database says it must. */
  check(bench: Bench, server: RunningServer): Promise<void>
  /** Makes ready for so many seconds of it. */
  prepare?(bench: Bench, seconds: number): Promise<void>
  /** Whether it leaves rows behind, or changed ones. */
  writes?: boolean
  /** What is measured beside the servers, in the same rounds. */
  besides?: { subject: string; isHere(bench: Bench): boolean; measure(bench: Bench): Promise<number> }
}

/** What one measurement came to. */
export interface Sample {
  perSecond: number
  cpuUs: number | undefined
  p50Us: number
  p99Us: number
}

/** Measures a load in interleaved rounds: Tenon and every peer in turn, the reference first and last. */
export function makeLoad(load: Load): Workload {
  return { name: load.name, title: load.title, measure: (bench) => measureLoad(bench, load) }
}

async function measureLoad(bench: Bench, load: Load): Promise<Result> {
  const { rounds, seconds, warmUpSeconds } = bench.options
  const kinds = [bench.tenon, ...bench.peers].filter((kind) => load.requests(kind, '') !== undefined)
  const reference = kinds.find(({ name }) => name === REFERENCE)
  const besides = load.besides?.isHere(bench) ? load.besides : undefined
  const samples = new Map<string, Sample[]>(kinds.map(({ name }) => [name, []]))
  const besideSamples: number[] = []

  for (const kind of kinds) {
    const server = await bench.server(kind)
    await load.check(bench, server)
    await sample(bench, load, server, warmUpSeconds)
  }
  for (let round = 0; round < rounds; round += 1) {
    const first = reference && (await sample(bench, load, await bench.server(reference), seconds))
    for (const kind of kinds) {
      if (kind === reference) continue
      samples.get(kind.name)?.push(await sample(bench, load, await bench.server(kind), seconds))
    }
    if (besides) besideSamples.push(await besides.measure(bench))
    if (reference && first) {
      const last = await sample(bench, load, await bench.server(reference), seconds)
      samples.get(reference.name)?.push(between(first, last))
    }
  }

  const own = (samples.get('tenon') as Sample[]).map(({ perSecond }) => perSecond)
  const figures = kinds.map((kind) => {
    const taken = samples.get(kind.name) as Sample[]
    const middle = (of: (one: Sample) => number) => median(taken.map(of))
    const isMeasured = taken.every(({ cpuUs }) => cpuUs !== undefined)
    return figure(
      kind.name,
      taken.map(({ perSecond }) => perSecond),
      kind === bench.tenon ? undefined : own,
      {
        p50Us: middle(({ p50Us }) => p50Us),
        p99Us: middle(({ p99Us }) => p99Us),
        cpuUs: isMeasured ? middle(({ cpuUs }) => cpuUs as number) : undefined
      }
    )
  })
  if (besides) figures.push(figure(besides.subject, besideSamples, own))
  return { workload: load.name, title: load.title, unit: 'requests/s', figures }
}

async function sample(bench: Bench, load: Load, server: RunningServer, seconds: number): Promise<Sample> {
  const requests = load.requests(server.kind, bench.nextRun()) as Requests
  await load.prepare?.(bench, seconds)
  const seen = await send(bench, server, requests, { seconds })
  if (load.writes) await removeWritten(bench.database)
  return seen
}

/**
 * Sends one load to one server.
 * @throws Error when an answer was not 2xx: a server is not fast by failing.
 */
export async function send(
  bench: Bench,
  server: RunningServer,
  requests: Requests,
  {
    seconds,
    connections = bench.options.connections,
    database = bench.database
  }: {
    seconds: number
    connections?: number
    database?: Database
  }
): Promise<Sample> {
  const sending = { seconds, connections, ids: database.rows, prices: Math.max(1, priceCount(database.rows) - 50) }
  const before = cpuSeconds(server.pid)
  const seen: Seen = await bench.generator.send(server.port, requests, sending)
  const after = cpuSeconds(server.pid)
  if (seen.failures > 0 || seen.requests === 0) {
    throw new Error(`${server.kind.name} failed ${seen.failures} of ${seen.requests} requests: ${requests.path}`)
  }
  return {
    perSecond: seen.requests / seen.seconds,
    cpuUs: before === undefined || after === undefined ? undefined : ((after - before) / seen.requests) * 1e6,
    p50Us: seen.p50Us,
    p99Us: seen.p99Us
  }
}

function between(a: Sample, b: Sample): Sample {
  const mean = (x: number, y: number) => (x + y) / 2
  return {
    perSecond: mean(a.perSecond, b.perSecond),
    cpuUs: a.cpuUs === undefined || b.cpuUs === undefined ? undefined : mean(a.cpuUs, b.cpuUs),
    p50Us: mean(a.p50Us, b.p50Us),
    p99Us: mean(a.p99Us, b.p99Us)
  }
}
