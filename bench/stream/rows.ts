import { createReadStream, createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { Sql } from 'postgres'

const EACH = 50_000

/** Loads so many products with nulls, quotes, accents and lists, in 50 categories. */
export async function fill(sql: Sql, rows: number): Promise<void> {
  await sql`insert into categories (id, name) select gen_random_uuid(), 'category ' || n from generate_series(1, 50) n`
  for (let from = 1; from <= rows; from += EACH) {
    const to = Math.min(rows, from + EACH - 1)
    await sql`
      insert into products (id, sku, name, description, price_cents, currency, stock, tags, category_id, active)
      select gen_random_uuid(), 'SKU-' || n, 'Product "' || n || '", é木', case when n % 3 = 0 then null else 'Oiled, by hand ' || n end,
        n * 31 % 100000, 'USD', n % 100, array['t' || n % 10, 'a,b'], (select id from categories where name = 'category ' || (n % 50 + 1)), n % 2 = 0
      from generate_series(${from}::int, ${to}::int) n`
  }
  await sql`vacuum analyze products`
}

/** How many products there are, and a sum over what callers write of them: ids and times are the server's. */
export async function checksum(sql: Sql): Promise<{ count: number; sum: string }> {
  const [row] = await sql`
    select count(*)::int as count, sum(hashtextextended(concat_ws('|', sku, name, coalesce(description, '∅'), price_cents,
      currency, stock, tags::text, category_id, active), 0))::text as sum from products`
  return row as never
}

/** The products by COPY, into a file. */
export async function copyTo(sql: Sql, file: string): Promise<void> {
  await pipeline(await sql`copy products to stdout (format csv)`.readable(), createWriteStream(file))
}

/** The same file by COPY into a table like that of the products. */
export async function copyFrom(sql: Sql, file: string): Promise<void> {
  await sql`create table copied (like products including all)`
  await sql`alter table copied add foreign key (category_id) references categories`
  await pipeline(createReadStream(file), await sql`copy copied from stdin (format csv)`.writable())
}
