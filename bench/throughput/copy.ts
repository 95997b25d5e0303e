import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { v7 } from 'uuid'
import type { Database } from './database.ts'
import { newProduct } from './requests.ts'

const PIECE_ROWS = 500

/** Makes ready to write products with COPY; what it returns does it. */
export async function copyIn({ sql }: Database, skus: string[]) {
  const rows = pieces(skus, (sku) => {
    const { name, description, priceCents, currency, stock, tags, active } = newProduct(sku)
    return `${v7()},${sku},${name},"${description}",${priceCents},${currency},${stock},"{${tags}}",,${active}\n`
  })
  return async () => {
    const into = await sql`
      copy products (id, sku, name, description, price_cents, currency, stock, tags, category_id, active)
      from stdin (format csv)`.writable()
    await pipeline(Readable.from(rows), into)
  }
}

/**
 * Reads all products with COPY.
 * @throws Error when some are missing.
 */
export async function copyOut({ sql, rows }: Database): Promise<void> {
  const lines = await countLines(await sql`copy products to stdout (format csv)`.readable())
  if (lines !== rows) throw new Error(`COPY TO wrote ${lines} lines instead of ${rows}`)
}

/** Lines for a stream, a few hundred in each buffer. */
export function pieces(skus: string[], line: (sku: string) => string): Buffer[] {
  const made: Buffer[] = []
  for (let at = 0; at < skus.length; at += PIECE_ROWS) {
    made.push(
      Buffer.from(
        skus
          .slice(at, at + PIECE_ROWS)
          .map(line)
          .join('')
      )
    )
  }
  return made
}

/** How many lines a stream has; nothing is kept. */
export async function countLines(stream: Readable): Promise<number> {
  let lines = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines += 1
  }
  return lines
}
