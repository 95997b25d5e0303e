// Measures Tenon with everything on beside its peers. Run by name: npm run bench. How to read it: bench/README.md.
import { writeFileSync } from 'node:fs'
import { Bench, type Workload } from './throughput/bench.ts'
import { bulkWorkloads } from './throughput/bulk.ts'
import { report } from './throughput/html.ts'
import { latencies } from './throughput/latency.ts'
import { loads } from './throughput/loads.ts'
import { describeMachine } from './throughput/machine.ts'
import { type Options, parseOptions, USAGE } from './throughput/options.ts'
import { endAll, isPinned, pinSelf } from './throughput/processes.ts'
import type { Result } from './throughput/results.ts'
import { startups } from './throughput/startup.ts'
import { table } from './throughput/table.ts'

const say = (text: string) => process.stdout.write(`${text}\n`)

try {
  const options = parseOptions(process.argv.slice(2))
  if (options.isHelp) say(USAGE)
  else await main(options)
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`)
  process.exitCode = 1
}

async function main(options: Options): Promise<void> {
  pinSelf()
  const bench = new Bench(options)
  const closing = endOnSignals(bench)
  const results: Result[] = []
  try {
    const workloads = choose([...loads(() => bench.key), ...latencies, ...bulkWorkloads, ...startups], options.only)
    await bench.open()
    const machine = describeMachine(bench)
    say(machine.join('\n'))
    if (!isPinned) say('No taskset or one core: nothing is pinned, and the numbers wander.')
    for (const [at, workload] of workloads.entries()) {
      process.stderr.write(`${at + 1}/${workloads.length} ${workload.title} …\n`)
      try {
        results.push(await workload.measure(bench))
      } catch (error) {
        // What the others come to is still worth knowing.
        if (closing.hasBegun) return
        process.stderr.write(`bench: ${workload.name}: ${(error as Error).message}\n`)
        process.exitCode = 1
      }
    }
    say(`\n${table(results)}`)
    if (options.html) writeFileSync(options.html, report(machine, results))
    if (options.json) writeFileSync(options.json, `${JSON.stringify({ machine, options, results }, undefined, 2)}\n`)
  } finally {
    if (!closing.hasBegun) await bench.close()
  }
}

function choose(all: Workload[], only: string[] | undefined): Workload[] {
  const names = all.map(({ name }) => name)
  const unknown = only?.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`there is no workload '${unknown}', but ${names.join(', ')}`)
  return all.filter(({ name }) => !only || only.includes(name))
}

// A second signal does not interrupt the cleaning up.
function endOnSignals(bench: Bench): { hasBegun: boolean } {
  const closing = { hasBegun: false }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, async () => {
      if (closing.hasBegun) return
      closing.hasBegun = true
      await bench.close().catch(() => endAll())
      process.exit(130)
    })
  }
  return closing
}
