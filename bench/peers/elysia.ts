// Elysia on Bun as their documentation writes it: t schemas on each route, statements as templates of Bun's own SQL.
import { Elysia, t } from 'elysia'

/** The part of Bun's SQL client that is used: its types would take Node's place in the whole project. */
type Sql = (strings: TemplateStringsArray, ...values: unknown[]) => Promise<Record<string, unknown>[]>

interface Bun {
  SQL: new (options: { url: string; max: number }) => Sql & { array(values: string[], type: string): unknown }
  randomUUIDv7(): string
}

const { Bun: bun } = globalThis as unknown as { Bun: Bun }
const sql = new bun.SQL({ url: process.env.DATABASE_URL as string, max: Number(process.env.DATABASE_POOL_MAX ?? 10) })

const written = {
  sku: t.String({ minLength: 1, maxLength: 64 }),
  name: t.String({ minLength: 1, maxLength: 200 }),
  description: t.Nullable(t.String({ maxLength: 5000 })),
  priceCents: t.Integer({ minimum: 0, maximum: 1_000_000_00 }),
  currency: t.String({ pattern: '^[A-Z]{3}$' }),
  stock: t.Integer({ minimum: 0, maximum: 1_000_000 }),
  tags: t.Array(t.String({ minLength: 1, maxLength: 50 }), { maxItems: 50 }),
  categoryId: t.Nullable(t.String({ format: 'uuid' })),
  active: t.Boolean()
}

new Elysia()
  .get(
    '/products/:id',
    async ({ params, status }) => {
      const [product] = await sql`
        select id, sku, name, description, price_cents as "priceCents", currency, stock, tags, category_id as "categoryId",
          active, created_at as "createdAt", updated_at as "updatedAt"
        from products where id = ${params.id}`
      return product ?? status(404, { message: 'not found' })
    },
    { params: t.Object({ id: t.String({ format: 'uuid' }) }) }
  )
  .get(
    '/products',
    async ({ query: { limit, minPriceCents } }) => {
      const data =
        minPriceCents === undefined
          ? await sql`
              select id, sku, name, description, price_cents as "priceCents", currency, stock, tags,
                category_id as "categoryId", active, created_at as "createdAt", updated_at as "updatedAt"
              from products order by id desc limit ${limit}`
          : await sql`
              select id, sku, name, description, price_cents as "priceCents", currency, stock, tags,
                category_id as "categoryId", active, created_at as "createdAt", updated_at as "updatedAt"
              from products where price_cents >= ${minPriceCents} order by price_cents, id limit ${limit}`
      return { data: [...data] }
    },
    {
      query: t.Object({
        limit: t.Integer({ minimum: 1, maximum: 200, default: 50 }),
        minPriceCents: t.Optional(t.Integer({ minimum: 0 }))
      })
    }
  )
  .post(
    '/products',
    async ({ body, set }) => {
      const [product] = await sql`
        insert into products (id, sku, name, description, price_cents, currency, stock, tags, category_id, active)
        values (${bun.randomUUIDv7()}, ${body.sku}, ${body.name}, ${body.description}, ${body.priceCents}, ${body.currency},
          ${body.stock}, ${sql.array(body.tags, 'TEXT')}, ${body.categoryId}, ${body.active})
        returning id, sku, name, description, price_cents as "priceCents", currency, stock, tags,
          category_id as "categoryId", active, created_at as "createdAt", updated_at as "updatedAt"`
      set.status = 201
      return product
    },
    { body: t.Object(written) }
  )
  .get('/livez', () => ({ status: 'ok' }))
  .listen({ hostname: '127.0.0.1', port: Number(process.env.PORT) })
