// Brings Northwind's catalogue in by one import and out by one export, and compares every field of every row: as NDJSON
// and as CSV. Run by name: npm run bench:round-trip (NORTHWIND names the folder with the data). With DATABASE_URL it makes
// a database of its own on that server, and drops it.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parse } from 'csv-parse/sync'
import { stringify } from 'csv-stringify/sync'
import postgres from 'postgres'
import { categories as categoriesTable } from '../routes/api/v1/categories/table.ts'
import { products as productsTable } from '../routes/api/v1/products/table.ts'
import { buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { createFirstAdmin } from '../src/identity/users.ts'
import { needNorthwind, readNorthwind } from './northwind-data.ts'

type Row = Record<string, unknown>
type Format = 'ndjson' | 'csv'

needNorthwind('round trip')

const typeOf = (format: Format) => (format === 'csv' ? 'text/csv' : 'application/x-ndjson')
const READ: Record<string, (cell: string) => unknown> = {
  priceCents: Number,
  stock: Number,
  tags: (cell) => JSON.parse(cell),
  active: (cell) => ({ true: true, false: false })[cell]
}

const SERVERS: Record<string, RegExp> = {
  id: /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
  createdAt: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  updatedAt: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
}

const folder = mkdtempSync(join(tmpdir(), 'tenon-round-trip-'))
const database = `tenon_round_trip_${process.pid}`
const serverUrl = process.env.DATABASE_URL
const server = serverUrl ? postgres(serverUrl, { max: 1, onnotice: () => {} }) : undefined
if (server) await server`create database ${server(database)}`
const url = serverUrl && Object.assign(new URL(serverUrl), { pathname: database }).href
const app = await buildApp(loadConfig({ LOG_LEVEL: 'silent', DATA_DIR: folder, DATABASE_URL: url }))
const failures: string[] = []
const lines: string[] = []

try {
  const credential = { email: 'northwind@example.com', password: 'a password for northwind' }
  await createFirstAdmin(app.db, credential.email, credential.password)
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const login = await fetch(`${address}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(credential)
  })
  const { accessToken } = (await login.json()) as { accessToken: string }
  for (const format of ['ndjson', 'csv'] as const) {
    await app.db.delete(productsTable)
    await app.db.delete(categoriesTable)
    const started = performance.now()
    const counts = await roundTrip(format, `${address}/api/v1`, accessToken)
    lines.push(`${format}: ${counts} in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  }
} finally {
  await app.close()
  rmSync(folder, { recursive: true, force: true })
  if (server) await server`drop database ${server(database)} with (force)`
  await server?.end()
}
const kind = serverUrl ? 'PostgreSQL' : 'embedded'
process.stdout.write(`round trip (${kind}): ${lines.join('; ')}; ${failures.length} failures\n`)
for (const failure of failures) process.stdout.write(`${failure}\n`)
process.exitCode = failures.length === 0 ? 0 : 1

async function roundTrip(format: Format, api: string, token: string): Promise<string> {
  const suppliers = new Map(readNorthwind('suppliers').map((one) => [one.supplier_id, one.company_name]))
  const given = readNorthwind('categories')
  const categories = given.map((one): Row => ({ name: one.category_name, description: one.description }))
  await bringIn(`${api}/categories`, format, token, categories)
  const made = await bringOut(`${api}/categories`, format, 'name')
  compare(format, categories, made, 'name')

  const ids = new Map(made.map(({ name, id }) => [name, id]))
  const names = new Map(given.map((one) => [one.category_id, one.category_name]))
  const products = readNorthwind('products').map(
    (one): Row => ({
      sku: `NW-${one.product_id}`,
      name: one.product_name,
      // Northwind has no product without one, and what is no longer sold can do without.
      description: one.discontinued ? null : one.quantity_per_unit,
      priceCents: cents(one.unit_price),
      currency: 'USD',
      stock: one.units_in_stock,
      tags:
        one.units_on_order > 0 ? [suppliers.get(one.supplier_id), 'on order, soon'] : [suppliers.get(one.supplier_id)],
      categoryId: ids.get(names.get(one.category_id)),
      active: !one.discontinued
    })
  )
  await bringIn(`${api}/products`, format, token, products)
  compare(format, products, await bringOut(`${api}/products`, format, 'sku'), 'sku')
  return `${categories.length} categories, ${products.length} products`
}

// By its digits: 21.35 * 100 is not an integer.
function cents(price: number): number {
  const [whole, part = ''] = String(price).split('.')
  if (part.length > 2) throw new Error(`${price} has more than two decimals`)
  return Number(`${whole}${part.padEnd(2, '0')}`)
}

async function bringIn(path: string, format: Format, token: string, rows: Row[]): Promise<void> {
  const body = format === 'csv' ? toCsv(rows) : rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  const headers = { authorization: `Bearer ${token}`, 'content-type': typeOf(format) }
  const response = await fetch(`${path}/import`, { method: 'POST', headers, body })
  const report = (await response.json()) as { created?: number }
  if (report.created !== rows.length) failures.push(`${format} ${path}: import answered ${JSON.stringify(report)}`)
}

async function bringOut(path: string, format: Format, sort: string): Promise<Row[]> {
  const response = await fetch(`${path}/export?sort=${sort}`, { headers: { accept: typeOf(format) } })
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await response.arrayBuffer())
  if (format === 'csv') return fromCsv(text)
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

// As the import describes it: null is an empty cell, a list is JSON. Northwind has no empty texts.
function toCsv(rows: Row[]): string {
  return stringify(rows, {
    header: true,
    cast: { boolean: String, object: (value) => (value === null ? '' : JSON.stringify(value)) }
  })
}

function fromCsv(text: string): Row[] {
  return parse(text, {
    columns: true,
    cast(cell, { column, quoting, header }) {
      if (header) return cell
      if (cell === '' && !quoting) return null
      return (READ[String(column)] ?? String)(cell)
    }
  })
}

// What was given must come back, nothing lost, altered or added, beside what the server writes itself.
function compare(format: Format, given: Row[], got: Row[], key: string): void {
  const say = (row: Row, text: string) => failures.push(`${format} ${row[key]}: ${text}`)
  const found = new Map(got.map((row) => [row[key], row]))
  if (got.length !== given.length) failures.push(`${format}: ${got.length} rows by ${key}, not ${given.length}`)
  if (new Set(got.map(({ id }) => id)).size !== got.length) failures.push(`${format}: an id came twice`)
  for (const row of given) {
    const back = found.get(row[key])
    if (!back) {
      say(row, 'did not come back')
      continue
    }
    for (const name of new Set([...Object.keys(row), ...Object.keys(SERVERS), ...Object.keys(back)])) {
      const pattern = SERVERS[name]
      const isRight = pattern
        ? pattern.test(String(back[name]))
        : name in row && isDeepStrictEqual(back[name], row[name])
      if (!isRight) say(row, `${name} is ${JSON.stringify(back[name])}, not ${pattern ?? JSON.stringify(row[name])}`)
    }
  }
}
