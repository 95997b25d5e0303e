import { sql } from 'drizzle-orm'
import t from 'tap'
import { buildApp } from '#src/app.ts'
import { withDatabase } from '#src/cli/open.ts'
import { program } from '#src/cli/program.ts'
import { planSeeding, resourcesOf } from '#src/cli/seed/plan.ts'
import { selectRaw } from '#src/db/rows.ts'
import { makeSend, makeUser, startApp, testConfig } from '#test/support/app.ts'
import { tryCommand } from '#test/support/command.ts'
import { createDatabase } from '#test/support/database.ts'

const seed = (env: NodeJS.ProcessEnv, ...args: string[]) => tryCommand(program, ['db', 'seed', ...args], env)
const contents = (env: NodeJS.ProcessEnv) =>
  withDatabase(env, async ({ db }) => ({
    products: await selectRaw<{ category_id: string; sku: string }>(db, sql`select * from products order by id`),
    categories: await selectRaw(db, sql`select * from categories order by id`),
    items: await selectRaw<{ owner_id: string }>(db, sql`select * from items order by id`),
    events: await selectRaw(db, sql`select * from events`),
    users: await selectRaw<{ id: string; role: string }>(db, sql`select * from users order by id`)
  }))

t.test('the rows are the same for the same seed, refer to each other, and write no events', async (t) => {
  const [one, two] = [await createDatabase(t), await createDatabase(t)]
  const { said, progress, isSound } = await seed({ ...one }, '--rows', 'products=1_200')
  t.ok(isSound)
  t.match(said, /^Administrator: admin@example.com {2}password: \S+ {2}\(shown once\)\ncategories: 100 rows in \S+ s\n/)
  t.match(said, /\nproducts: 1,200 rows in \S+ s$/)
  t.match(progress.join('\n'), /products: [\d,]+ of 1,200 rows\n/)
  t.equal(progress.at(-1), '')
  const made = JSON.parse(
    (await seed({ ...two, ADMIN_PASSWORD: 'a fine password 7' }, '--rows', 'products=1200', '--json')).said
  )
  t.match(made, { admin: { isGenerated: false }, made: [{ resource: 'categories', rows: 100 }, { rows: 1200 }] })
  const [first, second] = [await contents({ ...one }), await contents({ ...two })]
  t.same(second.products, first.products)
  t.same(second.categories, first.categories)
  t.equal(first.products.length, 1200)
  t.ok(new Set(first.products.map((row) => row.category_id)).size > 50)
  t.same(first.events, [])

  await seed({ ...one }, '--rows', 'products=10', 'users=20', 'items=30', '--seed', '2')
  const third = await contents({ ...one })
  t.equal(third.products.length, 1210)
  t.equal(third.categories.length, 100, 'existing rows are referred to')
  t.equal(third.users.length, 21)
  t.equal(third.users.filter(({ role }) => role === 'member').length, 20)
  t.ok(new Set(third.items.map((row) => row.owner_id)).size > 5)
  t.match((await seed({ ...one })).said, /^categories: 100 rows.*\nitems: 100 rows.*\nproducts: 100 rows[^\n]*$/)
})

t.test('what is made can be read by the API, and fits its schemas', async (t) => {
  const database = await createDatabase(t)
  await seed({ ...database }, '--rows', 'products=60', 'items=60', 'users=60', 'categories=60')
  const app = await buildApp(testConfig(database))
  t.teardown(() => app.close())
  const [send, admin] = [makeSend(t, app), await makeUser(app, 'admin')]
  for (const path of ['v1/products', 'v1/items', 'v1/users', 'v1/categories', 'v2/products']) {
    const { status, body } = await send('GET', `/api/${path}?limit=100&count=exact`, { as: admin.token })
    t.equal(status, 200, path)
    t.ok(body.page.total >= 60, path)
    t.equal((await send('GET', `/api/${path}/${body.data[0].id}`, { as: admin.token })).status, 200)
  }
  const { body } = await send('GET', '/api/v1/products?q=desk&limit=100')
  const texts = body.data.map((row: Record<string, string>) => `${row.sku} ${row.name} ${row.description}`)
  t.ok(texts.length > 0 && texts.every((text: string) => /desk/i.test(text)), 'the search finds them')
})

t.test('what is refused changes nothing', async (t) => {
  const env = { ...(await createDatabase(t)) }
  await t.rejects(seed({ ...env, NODE_ENV: 'production' }), { name: 'MisuseError', message: /--force only$/ })
  await t.rejects(seed(env, '--rows', 'nothing=1'), {
    name: 'MisuseError',
    message: /^there is no resource 'nothing': /
  })
  await t.rejects(seed(env, '--rows', 'orders=1'), { name: 'MisuseError', message: /^orders are made by rules/ })
  for (const wrong of ['products', 'products=', 'products=x', 'products=0'])
    await t.rejects(seed(env, '--rows', wrong), { name: 'MisuseError' })
  await t.rejects(seed(env, '--seed', '-1'), { name: 'MisuseError' })
  t.match(await contents(env), { products: [], categories: [], users: [] })
  t.ok((await seed({ ...env, NODE_ENV: 'production' }, '--force', '--rows', 'categories=1')).isSound)
})

t.test('what others refer to comes first, and only where there is none', async (t) => {
  const { app } = await startApp(t)
  const resources = resourcesOf(app)
  const plan = (wanted: Record<string, number> | undefined, ...empty: string[]) =>
    planSeeding(resources, wanted, ({ name }) => empty.includes(name)).map(
      ({ resource, count }) => `${resource.name}=${count}`
    )
  t.same(plan({ products: 5 }), ['products=5'])
  t.same(plan({ products: 5 }, 'categories', 'products'), ['categories=100', 'products=5'])
  t.same(plan({ products: 5, categories: 2 }), ['categories=2', 'products=5'])
  t.same(plan({ items: 1 }, 'users', 'roles'), ['roles=100', 'users=100', 'items=1'])
  t.same(plan(undefined), ['categories=100', 'items=100', 'products=100'])
  t.equal(resources.get('products')?.declaration.schema.$id, 'Product', 'the first version of a resource')
})
