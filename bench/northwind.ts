// Sends Northwind's catalogue and orders through the API: 8 categories, 77 products, 830 orders.
// Run by name: npm run bench:northwind (NORTHWIND names the folder with the data). Uses DATABASE_URL when it is set.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { createFirstAdmin } from '../src/identity/users.ts'
import { needNorthwind, readNorthwind } from './northwind-data.ts'

needNorthwind('northwind')

const folder = mkdtempSync(join(tmpdir(), 'tenon-northwind-'))
const email = 'northwind@example.com'
const password = 'a password for northwind'
const app = await buildApp(
  loadConfig({ LOG_LEVEL: 'silent', DATA_DIR: folder, DATABASE_URL: process.env.DATABASE_URL })
)
await createFirstAdmin(app.db, email, password)
const address = await app.listen({ host: '127.0.0.1', port: 0 })

async function call(method: string, path: string, body?: object) {
  const response = await fetch(address + path, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' })
    },
    ...(body && { body: JSON.stringify(body) })
  })
  return { status: response.status, body: JSON.parse(await response.text()) }
}

async function create(path: string, body: object): Promise<string> {
  const answer = await call('POST', path, body)
  if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`)
  return answer.body.id
}

let token = ''
token = (await call('POST', '/api/v1/auth/login', { email, password })).body.accessToken
const started = performance.now()

const [categories, products, orders] = [readNorthwind('categories'), readNorthwind('products'), readNorthwind('orders')]
const sold = new Map<number, number>()
for (const { lines } of orders) {
  for (const { product_id, quantity } of lines) sold.set(product_id, (sold.get(product_id) ?? 0) + quantity)
}
const categoryIds = new Map<number, string>()
for (const { category_id, category_name, description } of categories) {
  categoryIds.set(category_id, await create('/api/v1/categories', { name: category_name, description }))
}
const productIds = new Map<number, string>()
for (const one of products) {
  const id = await create('/api/v1/products', {
    sku: `NW-${one.product_id}`,
    name: one.product_name,
    description: one.quantity_per_unit,
    priceCents: Math.round(one.unit_price * 100),
    stock: one.units_in_stock + (sold.get(one.product_id) ?? 0),
    categoryId: categoryIds.get(one.category_id)
  })
  productIds.set(one.product_id, id)
}
const linesOf = (order: { lines: { product_id: number; quantity: number }[] }) =>
  order.lines.map((line) => ({ productId: productIds.get(line.product_id), quantity: line.quantity }))
for (const order of orders) await create('/api/v1/orders', { lines: linesOf(order), note: order.ship_name })
const seconds = (performance.now() - started) / 1000

const failures: string[] = []
for (const one of products) {
  const { body } = await call('GET', `/api/v1/products/${productIds.get(one.product_id)}`)
  if (body.stock !== one.units_in_stock) failures.push(`${one.product_name}: ${body.stock}, not ${one.units_in_stock}`)
  if (body.name !== one.product_name) failures.push(`${one.product_name} came back as ${body.name}`)
}
const [first] = products
const tooMany = { lines: [{ productId: productIds.get(first.product_id), quantity: first.units_in_stock + 1 }] }
const refused = await call('POST', '/api/v1/orders', tooMany)
if (refused.body.error?.code !== 'OUT_OF_STOCK') failures.push(`the 831st order answered ${refused.status}`)
const after = await call('GET', `/api/v1/products/${productIds.get(first.product_id)}`)
if (after.body.stock !== first.units_in_stock) failures.push('the 831st order changed the stock')
const { body: page } = await call('GET', '/api/v1/orders?count=exact&limit=1')
if (page.page.total !== orders.length) failures.push(`${page.page.total} orders instead of ${orders.length}`)

await app.close()
rmSync(folder, { recursive: true, force: true })
const kind = process.env.DATABASE_URL ? 'PostgreSQL' : 'embedded'
process.stdout.write(`northwind (${kind}): ${categories.length} categories, ${products.length} products, `)
process.stdout.write(
  `${orders.length} orders in ${seconds.toFixed(1)} s; ${failures.length} failures\n${failures.join('\n')}`
)
process.exitCode = failures.length === 0 ? 0 : 1
