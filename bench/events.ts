// What events cost the creates of a resource: beside the same resource without them, on a server with other resources that have
// some, and on one with none. Run by name: npm run bench:events, with options of npm run bench (--rounds, --seconds, …).
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Bench } from './throughput/bench.ts'
import { type Database, removeWritten } from './throughput/database.ts'
import { type Sample, send } from './throughput/load.ts'
import { machineLines } from './throughput/machine.ts'
import { parseOptions } from './throughput/options.ts'
import { databaseCpuSeconds, pinSelf } from './throughput/processes.ts'
import { spell } from './throughput/requests.ts'
import { median } from './throughput/results.ts'
import { ROOT, type RunningServer, tenon } from './throughput/servers.ts'
import { numberText, timeText } from './throughput/table.ts'

const MIN_SHARE = 0.85
// What two measurements of the same server differ by here.
const NOTHING_MEASURABLE = 0.03

interface Case {
  title: string
  server: RunningServer
  database: Database
  /** The case that it is compared with. */
  beside?: string
  minShare?: number
  samples: (Sample & { databaseCpuUs: number | undefined })[]
}

const say = (text: string) => process.stdout.write(`${text}\n`)
const bench = new Bench(parseOptions(process.argv.slice(2)))
const { rounds, seconds, warmUpSeconds, rows, connections } = bench.options
pinSelf()
try {
  await bench.open()
  const cases: Record<string, Case> = {
    none: await start('no resource has events', ['products', 'orders', 'items']),
    without: await start('others have events', ['products'], { beside: 'none', minShare: 1 - NOTHING_MEASURABLE }),
    with: await start('with events', [], { beside: 'without', minShare: MIN_SHARE }),
    followed: await start('with events, and a stream that follows them', [], { beside: 'without' })
  }
  await follow(cases.followed as Case)
  const all = Object.values(cases)
  for (const one of all) await create(one, warmUpSeconds)
  for (let round = 0; round < rounds; round += 1) {
    // The other way round each time: the first is not always the one that comes after the last.
    for (const one of round % 2 === 0 ? all : all.toReversed()) one.samples.push(await create(one, seconds))
  }
  say(machineLines(bench.postgres).join('\n'))
  say(`medians of ${rounds} interleaved rounds of ${seconds} s, ${connections} connections; ${bench.generator.name}`)
  for (const one of all) report(one, one.beside === undefined ? undefined : cases[one.beside])
} finally {
  await bench.close()
}

/** Starts the server on a database of its own, with the `events` of some resources taken away. */
async function start(title: string, without: string[], more: Partial<Case> = {}): Promise<Case> {
  const name = title.replaceAll(/\W+/g, '-')
  const root = without.length === 0 ? ROOT : copyWithout(join(bench.folder, name), without)
  const database = await bench.databaseOf(name, rows)
  return { title, server: await bench.server(tenon(name, root), database), database, samples: [], ...more }
}

function copyWithout(folder: string, resources: string[]): string {
  mkdirSync(folder)
  for (const name of ['src', 'plugins', 'routes', 'migrations', 'package.json'])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  for (const resource of resources) {
    const file = join(folder, 'routes/api/v1', resource, 'index.ts')
    const text = readFileSync(file, 'utf8')
    const changed = text.replace(/^ {2}events: .*\n/m, '')
    if (changed === text) throw new Error(`${resource} has no events`)
    writeFileSync(file, changed)
  }
  return folder
}

/** Follows all events, and passes over them. */
async function follow({ server }: Case): Promise<void> {
  const { body } = await fetch(`${server.url}/api/v1/events/stream`, { headers: { 'x-api-key': bench.key } })
  const read = async () => {
    for await (const _part of body as ReadableStream<Uint8Array>);
  }
  read().catch(() => {})
}

async function create({ server, database }: Case, seconds: number): Promise<Case['samples'][number]> {
  const requests = spell(server.kind, bench.key).create(bench.nextRun())
  const before = await databaseCpuSeconds(database)
  const sample = await send(bench, server, requests, { seconds, database })
  const after = await databaseCpuSeconds(database)
  const count = sample.perSecond * seconds
  await removeWritten(database)
  await database.sql`truncate events`
  const databaseCpuUs = before === undefined || after === undefined ? undefined : ((after - before) / count) * 1e6
  return { ...sample, databaseCpuUs }
}

function report({ title, samples, minShare }: Case, beside: Case | undefined): void {
  const middle = (of: (one: Case['samples'][number]) => number | undefined) => {
    const values = samples.map(of)
    return values.every((value) => value !== undefined) ? median(values) : undefined
  }
  const cells = [
    `${numberText(middle(({ perSecond }) => perSecond) as number)} creates/s`,
    `CPU of a create ${timeText(middle(({ cpuUs }) => cpuUs))}`,
    `of PostgreSQL ${timeText(middle(({ databaseCpuUs }) => databaseCpuUs))}`,
    `p50 ${timeText(middle(({ p50Us }) => p50Us))}`,
    `p99 ${timeText(middle(({ p99Us }) => p99Us))}`
  ]
  say(`${title}: ${cells.join(', ')}`)
  if (!beside) return
  const shares = samples.map(({ perSecond }, at) => perSecond / (beside.samples[at] as Sample).perSecond)
  const share = median(shares)
  const verdict = minShare === undefined ? '' : share >= minShare ? ': ok' : `: NOT OK, at least ${minShare}`
  if (minShare !== undefined && share < minShare) process.exitCode = 1
  say(`  ${share.toFixed(3)} of “${beside.title}” (${shares.map((one) => one.toFixed(2)).join(' ')})${verdict}`)
}
