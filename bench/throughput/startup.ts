import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Workload } from './bench.ts'
import { checkRead } from './check.ts'
import { send } from './load.ts'
import { end, memoryMb, run } from './processes.ts'
import { spell } from './requests.ts'
import { type Figure, figure } from './results.ts'
import { interleave } from './rounds.ts'
import { ROOT, serverEnv, startServer, tenonEnv } from './servers.ts'

const RESOURCES = 500

/** The time a server takes before it serves its first request. */
export const startups: Workload[] = [
  {
    name: 'startup',
    title: `Start-up with ${RESOURCES} declared resources, until one of them has answered`,
    async measure(bench) {
      const routes = declareResources(join(bench.folder, 'routes'))
      const samples = await interleave(bench.options.rounds, [() => startUp(bench, routes)])
      const figures = [figure('tenon', samples[0] as number[])]
      return { workload: this.name, title: this.title, unit: 's', isLowerBetter: true, figures }
    }
  },
  {
    name: 'memory',
    title: 'Resident memory, just started and after a load of reads',
    async measure(bench) {
      const figures: Figure[] = []
      for (const kind of [bench.tenon, ...bench.peers]) {
        const server = await startServer(
          kind,
          bench.database.url,
          bench.folder,
          kind === bench.tenon ? bench.options.env : {}
        )
        const started = memoryMb(server.pid) ?? Number.NaN
        if (kind.name !== 'node-http') await checkRead(server, spell(kind, bench.key).read, bench.database)
        await send(bench, server, spell(kind, bench.key).read, { seconds: bench.options.seconds })
        const loaded = memoryMb(server.pid) ?? Number.NaN
        await end(server.child)
        figures.push(figure(kind.name, [started]), figure(`${kind.name}, after a load`, [loaded]))
      }
      return { workload: this.name, title: this.title, unit: 'MB', isLowerBetter: true, figures }
    }
  }
]

// A folder of routes as a project of that size has them: each resource its own schema, over a table that exists.
function declareResources(folder: string): string {
  const own = (path: string) => JSON.stringify(`file://${ROOT}${path}`)
  for (let n = 1; n <= RESOURCES; n += 1) {
    const path = join(folder, `api/v1/wares-${n}`)
    mkdirSync(path, { recursive: true })
    writeFileSync(
      join(path, 'index.ts'),
      `import { Product } from ${own('routes/api/v1/products/schema.ts')}
import { products } from ${own('routes/api/v1/products/table.ts')}
import { defineResource } from ${own('src/resource/define.ts')}

export default defineResource({
  schema: { ...Product, $id: 'Ware${n}', title: 'Ware${n}' },
  table: products,
  access: { read: 'public', write: 'wares-${n}:write', delete: 'wares-${n}:delete' },
  list: { filter: ['sku', 'name', 'priceCents'], sort: ['sku', 'name', 'priceCents'] }
})
`
    )
  }
  // Beside the folder: what is in it counts as a route.
  writeFileSync(join(folder, '../package.json'), '{"type":"module"}\n')
  writeFileSync(join(folder, 'livez.ts'), `export { default } from ${own('routes/livez.ts')}\n`)
  return folder
}

async function startUp(bench: Bench, routes: string): Promise<number> {
  const script = join(ROOT, 'bench/throughput/start-app.ts')
  const env = serverEnv(bench.database.url, 0, tenonEnv(bench.folder, { ...bench.options.env, LOG_LEVEL: 'error' }))
  const output = await run(
    'server',
    process.execPath,
    [script, routes, `/api/v1/wares-${RESOURCES}?limit=1`],
    120_000,
    env
  )
  return Number(output)
}
