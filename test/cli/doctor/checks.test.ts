import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import { sql } from 'drizzle-orm'
import * as pg from 'drizzle-orm/pg-core'
import t from 'tap'
import { routesWithoutExamples } from '#src/cli/doctor/examples.ts'
import { missingIndexes } from '#src/cli/doctor/indexes.ts'
import { neglectedKeys } from '#src/cli/doctor/keys.ts'
import { clockSkew, connections } from '#src/cli/doctor/server.ts'
import { contradictions, weakSecrets } from '#src/cli/doctor/settings.ts'
import { oldVersions } from '#src/cli/doctor/versions.ts'
import { loadConfig } from '#src/config.ts'
import { resourceColumns } from '#src/db/columns.ts'
import { openDatabase } from '#src/db/open.ts'
import { compileResource } from '#src/resource/compile/resource.ts'
import { Id, Name, Reference } from '#src/schema/fields.ts'
import { createDatabase } from '#test/support/database.ts'

const { DATABASE_URL, DATA_DIR } = await createDatabase(t)
const { db, close } = await openDatabase({ url: DATABASE_URL, dataDir: DATA_DIR, poolMax: 2 })
t.teardown(close)

const postgres = 'postgres://tenon:0mHk2-vT9qLx@db.example.com/shop'
const contradicting = (env: Record<string, string>, instances = 1) =>
  contradictions({ ...loadConfig(env), env, instances }).map(({ problem }) => problem)

t.test('settings: each contradiction is found, and none without it', async (t) => {
  const planted: [env: Record<string, string>, instances: number, problem: RegExp][] = [
    [{ JOBS: 'off' }, 1, /^JOBS=off with the embedded/],
    [{ WORKERS: '2', DATABASE_URL: postgres }, 1, /^several processes without REDIS_URL/],
    [{ REDIS_URL: 'redis://a', JWT_ISSUER: 'https://a.example' }, 2, /^several instances with the embedded/],
    [{ REDIS_URL: 'redis://a', DATABASE_URL: postgres }, 2, /^several instances without JWT_ISSUER/],
    [{ NODE_ENV: 'production' }, 1, /^NODE_ENV=production without JWT_ISSUER/],
    [{ RATE_LIMIT_ENABLED: 'false', REDIS_URL: 'redis://a' }, 1, /^RATE_LIMIT_ENABLED=false beside/],
    [{ MAIL_FROM: 'Shop <shop@example.com>' }, 1, /^MAIL_FROM or MAIL_LINK_URL without/],
    [{ REGISTRATION: 'open' }, 1, /^REGISTRATION=open without MAIL_URL/],
    [{ NODE_ENV: 'production', JWT_ISSUER: 'https://a.example', LOG_LEVEL: 'silent' }, 1, /LOG_LEVEL=silent/]
  ]
  for (const [env, instances, problem] of planted) {
    const found = contradicting(env, instances)
    t.equal(found.length, 1, String(problem))
    t.match(found[0], problem)
  }
  t.same(contradicting({}), [])
  const whole = {
    NODE_ENV: 'production',
    DATABASE_URL: postgres,
    REDIS_URL: 'redis://a',
    JWT_ISSUER: 'https://a.example'
  }
  t.same(contradicting({ ...whole, WORKERS: '4' }, 3), [])
})

t.test('secrets that can be guessed', async (t) => {
  const weak = (env: Record<string, string>) =>
    weakSecrets(loadConfig({ JWT_ISSUER: 'https://a.example', ...env })).map(({ problem }) => problem)
  const production = { NODE_ENV: 'production' }
  t.same(weak({ METRICS_TOKEN: 'abababababababab' }), ['METRICS_TOKEN can be guessed'])
  t.same(weak({ METRICS_TOKEN: 'fA9-xk2_LmQ7vTzR' }), [])
  t.same(weak({ ...production, DATABASE_URL: 'postgres://tenon:password@db.example.com/shop' }), [
    'the password in DATABASE_URL can be guessed'
  ])
  t.same(weak({ ...production, REDIS_URL: 'redis://cache.example.com' }), [
    'REDIS_URL names another machine, and has no password'
  ])
  t.same(weak({ ...production, DATABASE_URL: postgres, REDIS_URL: 'redis://127.0.0.1' }), [])
  t.same(weak({ DATABASE_URL: 'postgres://tenon:password@db.example.com/shop' }), [], 'in development')
  t.same(weak({ ...production, DATABASE_URL: 'postgres://tenon@/shop?host=/var/run/postgresql' }), [], 'a socket')
})

t.test('a clock that differs from that of the database', async (t) => {
  t.same(await clockSkew(db), [])
  for (const ms of [-90_000, 90_000])
    t.match(await clockSkew(db, () => Date.now() + ms), [{ check: 'clock', problem: /differ by (89|90|91) s/ }])
})

t.test('pools that are larger together than the database takes', async (t) => {
  const config = loadConfig({ DATABASE_URL: postgres, DATABASE_POOL_MAX: '400', WORKERS: '4' })
  const open = { db, kind: 'postgres' } as const
  t.match(await connections(open, config, 100), [
    {
      check: 'connections',
      problem: /^100 × WORKERS=4 × \(DATABASE_POOL_MAX=400 \+ 6\) = 162400 connections, and the database takes \d+$/,
      advice: /^set DATABASE_POOL_MAX=1, /
    }
  ])
  t.same(await connections({ db, kind: 'embedded' }, config, 100), [])
  const pooled = loadConfig({ DATABASE_URL: `${postgres}?pgbouncer=true`, DATABASE_POOL_MAX: '400' })
  t.same(await connections(open, pooled, 100), [])
  t.same(
    await connections(open, loadConfig({ DATABASE_URL: postgres, DATABASE_POOL_MAX: '1' }), 1).then(
      (all) => all.length > 1
    ),
    false
  )
})

t.test('keys: only those in use that were forgotten or end soon', async (t) => {
  const now = Date.parse('2026-06-01T00:00:00Z')
  const at = (days: number) => new Date(now + days * 86_400_000).toISOString()
  const key = (more: object) => ({
    ...{ id: '', prefix: 'tn_live_a', name: 'a', user: 'ada@example.com', scopes: [], tier: null },
    ...{ enabled: true, createdAt: at(-40), expiresAt: null, lastUsedAt: at(-1), ...more }
  })
  const found = (more: object) => neglectedKeys([key(more) as never], now).map(({ problem }) => problem)
  t.same(found({}), [])
  t.match(found({ lastUsedAt: null }), [/was never used$/])
  t.same(found({ lastUsedAt: null, createdAt: at(-20) }), [])
  t.same(found({ lastUsedAt: null, enabled: false }), [])
  t.match(found({ expiresAt: at(13.5) }), [/expires in 14 days$/])
  t.same(found({ expiresAt: at(15) }), [])
  t.same(found({ expiresAt: at(-1), lastUsedAt: null }), [])
})

t.test('versions: Node, PostgreSQL and packages that are older than they may be', async (t) => {
  const project = t.testdir({
    'package.json': JSON.stringify({
      engines: { node: '>=24' },
      dependencies: { a: '1.10.0', b: '2.0.0', '@c/d': '3.1.0' }
    })
  })
  const install = (name: string, version: string) => {
    mkdirSync(join(project, 'node_modules', name), { recursive: true })
    writeFileSync(join(project, 'node_modules', name, 'package.json'), JSON.stringify({ version }))
  }
  install('a', '1.10.0')
  install('b', '2.0')
  const found = (node: string, server: string) => oldVersions(project, node, server).map(({ problem }) => problem)
  t.same(found('24.1.0', '17.2'), ['@c/d is not installed'])
  install('@c/d', '3.0.9')
  install('a', '1.9')
  t.same(found('22.3.0', '14.9'), [
    'Node 22.3.0 is older than 24',
    'PostgreSQL 14.9 is older than 15',
    'a 1.9 is older than 1.10.0',
    '@c/d 3.0.9 is older than 3.1.0'
  ])
})

t.test('routes with a text in their body that no example shows', async (t) => {
  const place = (body: object | undefined, more = {}) =>
    routesWithoutExamples([{ method: 'POST', url: '/a', schema: { body, ...more } } as never])[0]?.problem
  const object = (properties: object) => ({ type: 'object', properties })
  const text = { type: 'string' }
  const shown = { ...text, examples: ['a'] }
  t.equal(place(object({ a: shown, b: object({ c: text }) })), 'POST /a has no example of /b/c')
  t.equal(place({ anyOf: [{ type: 'array', items: object({ c: text }) }] }), 'POST /a has no example of /*/c')
  t.equal(place(text), 'POST /a has no example of its body')
  t.equal(place({ ...object({ a: text }), examples: [{ a: 'x' }] }), undefined)
  for (const one of [{ format: 'uuid' }, { enum: ['a'] }, { const: 'a' }, { default: 'a' }])
    t.equal(place(object({ a: { ...text, ...one } })), undefined)
  t.equal(place(object({ a: { type: 'integer' } })), undefined)
  t.equal(place(text, { hide: true }), undefined)
  t.equal(place(text, { consumes: ['text/csv'] }), undefined)
  t.equal(place(text, { consumes: ['application/json'] }), 'POST /a has no example of its body')
  t.equal(place(undefined), undefined)
  t.same(routesWithoutExamples([{ method: 'GET', url: '/a' } as never]), [])
})

t.test(
  'indexes: sorts and includes without one, an index that begins with another column, and names with capitals',
  async (t) => {
    const parents = pg.pgTable('parents', { ...resourceColumns(), title: pg.text('title').notNull() })
    const children = pg.pgTable('children', {
      ...resourceColumns(),
      parentId: pg.uuid('parentId').notNull(),
      rank: pg.integer('rank').notNull()
    })
    await db.execute(
      sql`create table parents (id uuid primary key, created_at timestamptz(3), updated_at timestamptz(3), version integer, title text)`
    )
    await db.execute(
      sql`create table children (id uuid primary key, created_at timestamptz(3), updated_at timestamptz(3), version integer, "parentId" uuid, rank integer)`
    )
    await db.execute(sql`create index on parents (version, title)`)
    for (const table of ['parents', 'children']) {
      await db.execute(
        sql`insert into ${sql.identifier(table)} (id) select gen_random_uuid() from generate_series(1, 1500)`
      )
      await db.execute(sql`analyze ${sql.identifier(table)}`)
    }
    const Parent = Type.Object({ id: Id(), title: Name() }, { $id: 'Parent' })
    const Child = Type.Object({ id: Id(), parentId: Reference(), rank: Type.Integer() }, { $id: 'Child' })
    const resource = compileResource('parents', {
      schema: Parent,
      table: parents,
      access: { read: 'public', write: 'a:write', delete: 'a:delete' },
      list: { sort: ['title'] },
      include: {
        children: { table: children as never, by: 'parentId', many: true, schema: Child },
        first: { table: children as never, by: 'id', schema: Child },
        friends: {
          table: parents as never,
          by: 'parentId',
          many: true,
          through: { table: children as never, to: 'id' },
          schema: Type.Pick(Parent, ['id'], { $id: 'Friend' })
        }
      }
    } as never)
    const unlisted = compileResource('children', {
      schema: Child,
      table: children,
      access: { read: 'public', write: 'a:write', delete: 'a:delete' }
    } as never)
    t.same(await missingIndexes(db, [resource, unlisted]), [
      {
        check: 'indexes',
        problem: 'the sort title of parents has no index, and parents has 1,500 rows',
        advice: 'create index concurrently parents_title_idx on parents (title, id);'
      },
      {
        check: 'indexes',
        problem: 'the include children of parents has no index, and children has 1,500 rows',
        advice: 'create index concurrently children_parentId_idx on children ("parentId", id);'
      }
    ])
    await db.execute(sql`create index on parents (title)`)
    await db.execute(sql`create index on children ("parentId")`)
    t.same(await missingIndexes(db, [resource, unlisted]), [])
  }
)
