import { deepStrictEqual } from 'node:assert'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Workload } from './bench.ts'
import { ask, checkList, checkRead, rowsOf } from './check.ts'
import { ID_BASE, ID_PREFIX, removeWritten } from './database.ts'
import { makeLoad } from './load.ts'
import { findProgram, run } from './processes.ts'
import { newProduct, spell } from './requests.ts'
import type { RunningServer, ServerKind } from './servers.ts'

/** The loads of many requests at once. */
export function loads(key: () => string): Workload[] {
  const of = (kind: ServerKind) => spell(kind, key())
  const isFixed = ({ name }: ServerKind) => name === 'node-http'

  return [
    makeLoad({
      name: 'read',
      title: 'Read one by id, random ids',
      requests: (kind) => of(kind).read,
      async check({ database }, server) {
        if (!isFixed(server.kind)) await checkRead(server, of(server.kind).read, database)
      },
      besides: { subject: 'pgbench', isHere: hasPgbench, measure: measurePgbench }
    }),
    makeLoad({
      name: 'list',
      title: 'List 50, the same list for all',
      requests: (kind) => (isFixed(kind) ? undefined : of(kind).list),
      async check({ database }, server) {
        await checkList(server, of(server.kind).list, database, { newest: 50 })
      }
    }),
    makeLoad({
      name: 'lists',
      title: 'List 50, all lists different',
      requests: (kind) => (isFixed(kind) ? undefined : of(kind).listByPrice),
      async check({ database }, server) {
        for (const minPriceCents of [0, 777]) {
          await checkList(server, of(server.kind).listByPrice, database, { minPriceCents, limit: 50 })
        }
      }
    }),
    makeLoad({
      name: 'create',
      title: 'Create one',
      requests: (kind, run) => (isFixed(kind) ? undefined : of(kind).create(run)),
      check: checkCreate,
      writes: true
    }),
    makeLoad({
      name: 'livez',
      title: 'A route without a database: /livez',
      requests: (kind) => of(kind).livez,
      async check(_bench, server) {
        deepStrictEqual((await ask(server, of(server.kind).livez)).body, { status: 'ok' })
      }
    }),
    makeLoad({
      name: 'keyset',
      title: 'A route without a database that is logged: the JWKS',
      requests: (kind) => (kind.isTenon || kind.name === 'fastify' ? of(kind).keySet : undefined),
      async check(_bench, server) {
        const { body } = await ask(server, of(server.kind).keySet)
        deepStrictEqual(Object.keys(body as object), ['keys'])
      }
    })
  ]

  async function checkCreate(bench: Bench, server: RunningServer): Promise<void> {
    const name = bench.nextRun()
    const { status, body } = await ask(server, of(server.kind).create(name), { serial: '000000000001' })
    deepStrictEqual(status, 201)
    const { id, createdAt, updatedAt, ...written } = body as Record<string, unknown>
    deepStrictEqual(written, newProduct(`${name}-000000000001`))
    const [stored] = await rowsOf(bench.database, { id: id as string })
    deepStrictEqual(stored, { id, ...written, createdAt, updatedAt })
    await removeWritten(bench.database)
  }
}

function hasPgbench({ options }: Bench): boolean {
  const isWanted = !options.servers || options.servers.includes('pgbench')
  return isWanted && findProgram('pgbench') !== undefined
}

// The database's own limit at one row a statement: pgbench takes the server's core, and as many connections.
async function measurePgbench({ database, folder, options }: Bench): Promise<number> {
  const script = join(folder, 'read.sql')
  writeFileSync(
    script,
    `\\set n random(${ID_BASE + 1}, ${ID_BASE + database.rows})\n` +
      `select * from products where id = ('${ID_PREFIX}' || :n)::uuid;\n`
  )
  const { seconds } = options
  const args = ['-n', '-M', 'prepared', '-c', '10', '-j', '1', '-T', String(seconds), '-f', script, database.url]
  const output = await run('server', findProgram('pgbench') as string, args, (seconds + 15) * 1000)
  return Number(/tps = ([\d.]+)/.exec(output)?.[1])
}
