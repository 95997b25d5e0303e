import postgres, { type Sql } from 'postgres'

// Loading a million rows takes a while; nothing here takes longer.
const STATEMENT_TIMEOUT_MS = 600_000

/** A database of the benchmark's own. */
export interface Database {
  url: string
  sql: Sql
  rows: number
}

/** The id of the nth product, counted from 1; the load generators write the same. */
export const ID_PREFIX = '01900000-0000-7000-8000-'
export const ID_BASE = 100_000_000_000
export const productId = (n: number) => `${ID_PREFIX}${ID_BASE + n}`

/** Every price below this one is taken, in steps of one; no product has a price above it. */
export const priceCount = (rows: number) => Math.min(rows, 100_000)

/** Makes a database, a copy of another one when that is given. */
export async function createDatabase(serverUrl: string, name: string, template?: string): Promise<Database> {
  const server = postgres(serverUrl, { max: 1, onnotice: () => {} })
  await server`create database ${server(name)} template ${server(template ?? 'template1')}`
  await server.end()
  const url = new URL(serverUrl)
  url.pathname = name
  return {
    url: url.href,
    sql: postgres(url.href, { max: 2, onnotice: () => {}, connection: { statement_timeout: STATEMENT_TIMEOUT_MS } }),
    rows: 0
  }
}

/** Closes our own connections to it, and drops it with those that are left. */
export async function dropDatabase(serverUrl: string, { url, sql }: Database): Promise<void> {
  await sql.end({ timeout: 1 })
  const server = postgres(serverUrl, { max: 1, onnotice: () => {} })
  await server`drop database if exists ${server(new URL(url).pathname.slice(1))} with (force)`
  await server.end()
}

/** Loads so many products into a migrated database, in 50 categories. */
export async function load(database: Database, rows: number): Promise<void> {
  const { sql } = database
  await sql`insert into categories (id, name) select gen_random_uuid(), 'category ' || n from generate_series(1, 50) n`
  const prices = priceCount(rows)
  for (let from = 1; from <= rows; from += 50_000) {
    const to = Math.min(rows, from + 49_999)
    await sql`
      insert into products (id, sku, name, description, price_cents, currency, stock, tags, category_id, active,
        created_at, updated_at)
      select (${ID_PREFIX}::text || (${ID_BASE}::bigint + n))::uuid, 'SKU-' || n, 'Product ' || n,
        case when n % 3 = 0 then null else 'Oiled, by hand: ' || n end, n::bigint * 31 % ${prices}::int, 'USD', n % 100,
        array['t' || n % 10, 'oak'], c.id, n % 2 = 0,
        timestamptz '2024-01-01Z' + n * interval '1 s', timestamptz '2024-01-01Z' + n * interval '1 s'
      from generate_series(${from}::int, ${to}::int) n
      join categories c on c.name = 'category ' || (n % 50 + 1)`
  }
  database.rows = rows
  await sql`vacuum analyze products`
}

/** Adds products with ids that end in the serial numbers of a load, from 1. */
export async function addSerial({ sql }: Database, rows: number): Promise<void> {
  await sql`
    insert into products (id, sku, name, price_cents, currency, stock, tags, active)
    select (${ID_PREFIX}::text || lpad(n::text, 12, '0'))::uuid, 'SERIAL-' || n, 'Product', n % 1000, 'USD', 1, '{oak}', true
    from generate_series(1, ${rows}::int) n`
}

/** Removes what measurements have written, so that the next one finds the table as it was; changed rows stay changed. */
export async function removeWritten({ sql }: Database): Promise<void> {
  await sql`delete from products where created_at > '2025-01-01Z'`
  await sql`vacuum analyze products`
}

/** Products as every server must answer them. */
export async function expectedProducts(
  { sql }: Database,
  by: { id: string } | { newest: number } | { minPriceCents: number; limit: number }
): Promise<Record<string, unknown>[]> {
  const where =
    'id' in by
      ? sql`where id = ${by.id}`
      : 'newest' in by
        ? sql`order by id desc limit ${by.newest}`
        : sql`where price_cents >= ${by.minPriceCents} order by price_cents, id limit ${by.limit}`
  return sql`
    select id, sku, name, description, price_cents as "priceCents", currency, stock, tags, category_id as "categoryId", active,
      to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "createdAt",
      to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "updatedAt"
    from products ${where}`
}
