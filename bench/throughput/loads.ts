import { deepStrictEqual } from 'node:assert'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Workload } from './bench.ts'
import { ask, checkList, checkRead, rowsOf } from './check.ts'
import { addSerial, ID_BASE, ID_PREFIX, productId, removeWritten } from './database.ts'
import { makeLoad } from './load.ts'
import { findProgram, run } from './processes.ts'
import { newProduct, spell } from './requests.ts'
import type { RunningServer, ServerKind } from './servers.ts'

/** The loads of many requests at once. */
export function loads(key: () => string): Workload[] {
  const of = (kind: ServerKind) => spell(kind, key())
  const changes = ({ isTenon, name }: ServerKind) => isTenon || name === 'fastify'
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
      name: 'patch',
      title: 'Change two fields of one by id, random ids',
      requests: (kind, run) => (changes(kind) ? of(kind).patch(run) : undefined),
      check: checkPatch,
      writes: true
    }),
    makeLoad({
      name: 'delete',
      title: 'Delete one by id, each id once',
      requests: (kind) => (changes(kind) ? of(kind).remove : undefined),
      check: checkRemove,
      prepare: ({ database }, seconds) => addSerial(database, seconds * MAX_REMOVED_PER_SECOND),
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

  async function checkPatch({ database }: Bench, server: RunningServer): Promise<void> {
    const { id, ...before } = (await rowsOf(database, { id: productId(1) }))[0] as Record<string, unknown>
    const { body } = await ask(server, of(server.kind).patch('check'), { id: ID_BASE + 1, serial: '000000000001' })
    const { updatedAt } = body as Record<string, unknown>
    deepStrictEqual(body, { id, ...before, description: 'check-000000000001', stock: 7, updatedAt })
    deepStrictEqual([body], await rowsOf(database, { id: productId(1) }))
  }

  async function checkRemove({ database }: Bench, server: RunningServer): Promise<void> {
    await addSerial(database, 2)
    const { status } = await ask(server, of(server.kind).remove, { serial: '000000000001' })
    deepStrictEqual(status, 204)
    const left = [1, 2].map((n) => rowsOf(database, { id: `${ID_PREFIX}${String(n).padStart(12, '0')}` }))
    deepStrictEqual(
      (await Promise.all(left)).map(({ length }) => length),
      [0, 1]
    )
    await removeWritten(database)
  }
}

// More than any server here does: one that finds no row fails the workload.
const MAX_REMOVED_PER_SECOND = 30_000

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
