// Shows each promise, and prints a line with its figures. Run by name: npm run faults. How to read it: bench/faults/README.md.
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { machineLines } from '../throughput/machine.ts'
import { endAll, findProgram, pinSelf } from '../throughput/processes.ts'
import { Lab } from './lab.ts'
import { lineOf, type Promised } from './promise.ts'

const USAGE = `npm run faults -- [options]
  --only <names>  the promises to show, comma-separated; 'soak' is shown only so
  --quick         shorter, and with fewer rows: whether it works, not what RESULTS.md says
  --list          their names
It starts a PostgreSQL and a Redis of its own, and ends them.`
const MAX_MS = 240_000
const MAX_BY_NAME_MS = 900_000

const say = (text: string) => process.stdout.write(`${text}\n`)

try {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) say(USAGE)
  else if (values.list) for (const { name, title } of await readPromises()) say(`${name.padEnd(18)} ${title}`)
  else await main(choose(await readPromises(), values.only?.split(',')), values.quick)
} catch (error) {
  process.stderr.write(`faults: ${(error as Error).message}\n`)
  process.exitCode = 1
}

async function main(promises: Promised[], isQuick: boolean): Promise<void> {
  pinSelf()
  const lab = new Lab(isQuick)
  const closing = endOnSignals(lab)
  let broken = 0
  let skipped = 0
  try {
    await lab.open()
    say([...machineLines(lab.postgres), isQuick ? 'quick' : 'full'].join('\n'))
    for (const promised of promises) {
      const startedAt = performance.now()
      const line = await lineFor(promised, lab)
      if (closing.hasBegun) return
      if (line.startsWith('BROKEN')) broken += 1
      if (line.startsWith('skipped')) skipped += 1
      say(line)
      process.stderr.write(`        ${promised.name}, ${Math.round((performance.now() - startedAt) / 1000)} s\n`)
      await lab.clear()
    }
    const kept = promises.length - broken - skipped
    say(`${kept} of ${promises.length} promises kept${skipped > 0 ? `, ${skipped} not tried` : ''}`)
    process.exitCode = broken === 0 ? 0 : 1
  } finally {
    if (!closing.hasBegun) await lab.close()
  }
}

async function lineFor(promised: Promised, lab: Lab): Promise<string> {
  const { needs } = promised
  if (needs && !findProgram(needs)) return `skipped ${promised.title}: NOT TRIED, ${needs} is not installed`
  try {
    const late = sleep(promised.isByNameOnly ? MAX_BY_NAME_MS : MAX_MS, undefined, { ref: false })
    const checks = await Promise.race([promised.show(lab), late])
    return checks ? lineOf(promised.title, checks) : `BROKEN  ${promised.title}: NOT SHOWN in time`
  } catch (error) {
    return `BROKEN  ${promised.title}: NOT SHOWN, ${(error as Error).message}`
  }
}

async function readPromises(): Promise<Promised[]> {
  const folder = new URL('promises/', import.meta.url)
  const files = readdirSync(folder).sort()
  return Promise.all(files.map(async (file) => (await import(new URL(file, folder).href)).default as Promised))
}

function choose(all: Promised[], only: string[] | undefined): Promised[] {
  const names = all.map(({ name }) => name)
  const unknown = only?.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`there is no promise '${unknown}', but ${names.join(', ')}`)
  return all.filter(({ name, isByNameOnly }) => (only ? only.includes(name) : !isByNameOnly))
}

// A second signal does not interrupt the cleaning up.
function endOnSignals(lab: Lab): { hasBegun: boolean } {
  const closing = { hasBegun: false }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, async () => {
      if (closing.hasBegun) return
      closing.hasBegun = true
      await lab.close().catch(() => endAll())
      process.exit(130)
    })
  }
  return closing
}
