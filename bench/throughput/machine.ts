import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import type { Bench } from './bench.ts'
import type { Server } from './postgres.ts'
import { findProgram, isPinned } from './processes.ts'
import { ROOT } from './servers.ts'

/** What was measured, on what, and how: a line each. */
export function describeMachine({ options, generator, postgres, database }: Bench): string[] {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'))
  const versions = { ...dependencies, ...devDependencies }
  const packages = ['fastify', 'drizzle-orm', 'postgres', 'express', 'hono', 'elysia'].map(
    (name) => `${name} ${versions[name]}`
  )
  const bun = findProgram('bun')
  if (bun) packages.push(`Bun ${execFileSync(bun, ['--version'], { encoding: 'utf8' }).trim()}`)
  const [when, machine, software] = machineLines(postgres) as [string, string, string]
  return [
    when,
    machine,
    `${software}, ${packages.join(', ')}`,
    `${isPinned ? 'server on core 0, everything else on core 1' : 'nothing pinned'}; ${generator.name} with ${options.connections} connections; ${database.rows.toLocaleString('en')} products; ten database connections each`,
    `medians of ${options.rounds} interleaved rounds of ${options.seconds} s`
  ]
}

/** When this is, which commit, what machine, which Node and PostgreSQL: three lines. */
export function machineLines(postgres: Server): string[] {
  const cores = cpus()
  return [
    `${new Date().toISOString()}, commit ${commit()}`,
    `${cores.length} × ${cores[0]?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`,
    `Node ${process.versions.node}, PostgreSQL ${postgres.version} (${postgres.isOwn ? 'its own, 256 MB of shared buffers, fsync on' : 'as DATABASE_URL names it'})`
  ]
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { cwd: ROOT, encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
