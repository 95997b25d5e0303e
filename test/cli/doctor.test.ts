import { sql } from 'drizzle-orm'
import t from 'tap'
import type { Finding } from '#src/cli/doctor/finding.ts'
import { withDatabase } from '#src/cli/open.ts'
import { program } from '#src/cli/program.ts'
import type { Database } from '#src/db/database.ts'
import { tryCommand } from '#test/support/command.ts'
import { createDatabase } from '#test/support/database.ts'

const run = (env: NodeJS.ProcessEnv, ...args: string[]) => tryCommand(program, ['doctor', ...args], env)
const examine = async (env: NodeJS.ProcessEnv, ...args: string[]): Promise<Finding[]> =>
  JSON.parse((await run(env, '--json', ...args)).said)

t.test('a healthy installation has nothing, with and without rows', async (t) => {
  const env = { ...(await createDatabase(t)) }
  t.match(await run(env), { isSound: true, said: 'Nothing was found.' })
  await tryCommand(
    program,
    ['db', 'seed', '--rows', 'products=2000', 'items=2000', 'users=2000', 'categories=2000'],
    env
  )
  t.match(await run(env), { isSound: true, said: 'Nothing was found.' })
  t.same(await examine(env), [])
})

t.test('what is planted in a database is found, each by its check and with what to do', async (t) => {
  const env = { ...(await createDatabase(t)) }
  await tryCommand(program, ['db', 'seed', '--rows', 'products=2000'], env)
  const plant = (...statements: string[]) =>
    withDatabase(env, async ({ db }: { db: Database }) => {
      for (const statement of statements) await db.execute(statement)
    })
  await plant(
    'drop index products_stock_idx',
    'drop index products_name_idx',
    'drop index products_tags_idx',
    'drop index products_search_idx',
    'drop index order_lines_product_id_idx',
    'drop trigger tenon_event_created on items',
    'alter table items alter column description type varchar(50), alter column description set not null',
    'alter table categories drop constraint categories_name_unique',
    'alter table products alter column currency drop not null'
  )
  const made = await tryCommand(program, ['keys', 'create', 'old', '--scopes', 'items:read', '--json'], env)
  await tryCommand(program, ['keys', 'create', 'soon', '--scopes', 'items:read', '--expires', '3d'], env)
  const { id } = JSON.parse(made.said)
  await withDatabase(env, ({ db }) =>
    db.execute(sql`update api_keys set created_at = now() - interval '40 days' where id = ${id}`)
  )
  const found = await examine(env)
  const has = (check: string, problem: RegExp, advice: RegExp | string) =>
    t.ok(
      found.some(
        (one) =>
          one.check === check &&
          problem.test(one.problem) &&
          (typeof advice === 'string' ? one.advice === advice : advice.test(one.advice))
      ),
      `${check}: ${problem}`
    )
  has(
    'indexes',
    /^the filter stock of products has no index, and products has 2,000 rows$/,
    'create index concurrently products_stock_idx on products (stock, id);'
  )
  has('indexes', /name of products/, 'create index concurrently products_name_idx on products (name, id);')
  has('indexes', /^the filter tags of/, 'create index concurrently products_tags_idx on products using gin (tags);')
  has(
    'indexes',
    /^the search of products/,
    "create index concurrently products_search_idx on products using gin (tenon_search_document(coalesce(sku, '') || ' ' || coalesce(name, '') || ' ' || coalesce(description, '')));"
  )
  has(
    'foreign keys',
    /^order_lines_product_id_products_id_fk has no index$/,
    'create index concurrently order_lines_product_id_idx on order_lines (product_id);'
  )
  has('drift', /^the triggers of events: .*'items'/, 'npx tenon migrate')
  has('drift', /^items.description is character varying\(50\), and declared as text$/, /npm run migration/)
  has('drift', /^items.description refuses null/, /npm run migration/)
  has('drift', /^products.currency takes null/, /npm run migration/)
  has('drift', /^categories lacks categories_name_unique$/, /npm run migration/)
  has('drift', /^products lacks products_stock_idx$/, /npm run migration/)
  has('keys', /\(old, of admin@example.com\) was never used$/, /^npx tenon keys revoke tn_\w+$/)
  has('keys', /\(soon, .*\) expires in 3 days$/, /another/)
  t.equal(found.filter(({ check }) => check === 'keys').length, 2)

  const { said, isSound } = await run(env)
  t.notOk(isSound)
  t.equal(said.split('\n').length, found.length, 'one line each')
  t.match(said, /^indexes: the filter stock of .* rows: create index concurrently /m)
})

t.test('pending migrations and missing tables are found without a start', async (t) => {
  const env = { ...(await createDatabase(t)) }
  await withDatabase(env, ({ db }) => db.execute(sql`alter table items drop column description cascade`))
  t.match(await examine(env), [{ check: 'drift', problem: 'the database lacks the column items.description' }])
  await withDatabase(env, ({ db }) => db.execute(sql`drop table order_lines`))
  const problems = (await examine(env)).map(({ problem }) => problem)
  t.ok(problems.includes('the database lacks the table order_lines'))
  t.ok(problems.includes('items lacks items_search_idx'))
  await withDatabase(env, ({ db }) =>
    db.execute(
      sql`delete from __drizzle_migrations where created_at = (select max(created_at) from __drizzle_migrations)`
    )
  )
  t.match(await examine(env), [{ check: 'migrations', problem: /^\d{4}_\S+ is pending$/, advice: 'npx tenon migrate' }])
})

t.test('settings that stop the start are told as findings', async (t) => {
  t.match(await examine({ METRICS_TOKEN: 'changeme', PORT: 'x' }), [
    { check: 'settings', problem: /^PORT must be/ },
    { check: 'settings', problem: /^METRICS_TOKEN must have/ }
  ])
  t.match(await examine({ PORT: 'x' }), [{ check: 'settings', problem: /^PORT must be/ }])
  await t.rejects(run({}, '--instances', '0'), { name: 'MisuseError' })
})
