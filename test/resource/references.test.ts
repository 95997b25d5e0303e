import { getTableName, sql } from 'drizzle-orm'
import t from 'tap'
import { selectRaw } from '#src/db/rows.ts'
import { startApp } from '#test/support/app.ts'
import { declaredResources, has, newBody } from '#test/support/resources.ts'

// Every foreign key that refuses the deletion of a resource's row: a new one is covered when it is there.
const { app, send, someone } = await startApp(t)
const admin = await someone('admin')
const as = admin.token
const all = declaredResources(app)

interface Reference {
  /** The table that refers, and the one that is referred to. */
  table: string
  target: string
  /** The id of a row that is referred to. */
  id: string | null
}

const references = await selectRaw<Omit<Reference, 'id'> & { from: string; to: string }>(
  app.db,
  sql`select conrelid::regclass::text as table, confrelid::regclass::text as target, a.attname as "from", b.attname as "to"
    from pg_constraint join pg_attribute a on a.attrelid = conrelid and a.attnum = conkey[1]
      join pg_attribute b on b.attrelid = confrelid and b.attnum = confkey[1]
    where contype = 'f' and confdeltype in ('a', 'r')`
)

// What becomes of the rows of a deleted user is declared with `whenOwnerLeaves`.
const isOwner = ({ table, from }: { table: string; from: string }) =>
  all.some(({ resource: { table: own, columns, declaration } }) => {
    return getTableName(own) === table && columns[declaration.owner as string]?.name === from
  })
const refusing = references.filter((reference) => !isOwner(reference))

const contents = async () => {
  const tables = await selectRaw<{ name: string }>(
    app.db,
    sql`select distinct unnest(array[conrelid, confrelid])::regclass::text as name from pg_constraint where contype = 'f'`
  )
  const counts = tables.map(async ({ name }) => [name, await app.db.$count(sql`${sql.identifier(name)}`)])
  return Object.fromEntries(await Promise.all(counts))
}

// A row for each reference, made as callers make them.
const post = async (path: string, body: object, token = as) => {
  const answer = await send('POST', `/api/v1/${path}`, { as: token, body })
  if (answer.status !== 201) t.fail(`${path}: ${answer.text}`)
  return answer.body.id as string
}
const category = await post('categories', { name: 'Referred to' })
const product = { sku: 'REFERRED', name: 'Referred to', priceCents: 100, stock: 9, categoryId: category }
const productId = await post('products', product)
await post('roles', { name: 'referred', scopes: ['orders:write', 'orders:read', 'products:read'] })
const buyer = await someone('referred')
await post('orders', { lines: [{ productId, quantity: 1 }] }, buyer.token)

const tested = new Set<string>()
for (const { table, target, from, to } of refusing)
  for (const declared of all) {
    if (getTableName(declared.resource.table) !== target || !has(declared, 'DELETE', '/:id')) continue
    tested.add(`${table}.${from}`)
    t.test(`409 for ${declared.path} that ${table}.${from} refers to, and nothing is deleted`, async (t) => {
      const [row] = await selectRaw<{ id: string }>(
        app.db,
        sql`select id from ${sql.identifier(target)} as target where exists (select from ${sql.identifier(table)} as other
          where other.${sql.identifier(from)} = target.${sql.identifier(to)}) and id <> ${admin.id}
          and ${sql.identifier(to)}::text not in ('admin', 'member')`
      )
      const { id } = row as { id: string }
      const { path } = declared
      const free = async () => {
        const body = await newBody(all, declared, send, as)
        if (declared.resource.name === 'users') body.email = `${crypto.randomUUID()}@example.com`
        const answer = await send('POST', path, { as, body })
        t.equal(answer.status, 201, answer.text)
        return answer.body.id as string
      }
      const others = [await free(), await free(), await free()]
      const before = await contents()
      const refused = { status: 409, body: { error: { code: 'REFERENCE_CONFLICT' } } }
      const { etag } = (await send('GET', `${path}/${id}`, { as })).headers as { etag: string }

      t.match(await send('DELETE', `${path}/${id}`, { as }), refused)
      t.match(await send('DELETE', `${path}/${id}`, { as, headers: { 'if-match': etag } }), refused)
      if (has(declared, 'DELETE', '/bulk')) {
        const bulk = (ids: string[], query = '') => send('DELETE', `${path}/bulk${query}`, { as, body: { ids } })
        t.match(await bulk([others[0] as string, id, others[1] as string]), refused)
        t.same(await contents(), before, 'nothing of a bulk that fails')
        const partial = await bulk([others[0] as string, id, others[1] as string], '?mode=partial')
        t.match(partial, { status: 200, body: { deleted: 2, failed: 1 } })
        t.match(
          partial.body.results.map(({ error }: { error?: { code: string } }) => error?.code),
          [undefined, 'REFERENCE_CONFLICT', undefined]
        )
        for (const other of others.slice(0, 2)) t.equal((await send('GET', `${path}/${other}`, { as })).status, 404)
      } else for (const other of others.slice(0, 2)) await send('DELETE', `${path}/${other}`, { as })
      if (has(declared, 'DELETE', '')) t.match(await send('DELETE', `${path}?id=${id}`, { as }), refused)

      // Deletes that arrive together share a statement, and one that is refused fails no other.
      const together = await Promise.all([id, others[2]].map((one) => send('DELETE', `${path}/${one}`, { as })))
      t.same(
        together.map(({ status }) => status),
        [409, 204]
      )
      const after = await contents()
      t.same(after, { ...before, [target]: before[target] - 3 })
      t.equal((await send('GET', `${path}/${id}`, { as })).headers.etag, etag, 'and it is unchanged')
    })
  }

t.test('every reference between resources is tried', async (t) => {
  t.same(
    [...tested].toSorted(),
    refusing
      .filter(({ target }) =>
        all.some((one) => getTableName(one.resource.table) === target && has(one, 'DELETE', '/:id'))
      )
      .map(({ table, from }) => `${table}.${from}`)
      .toSorted()
  )
  t.ok(tested.has('order_lines.product_id'))
})
