import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { serveApp } from '../support/serve.ts'

const run = promisify(execFile)
const packages = join(import.meta.dirname, 'node_modules')
const compiler = join(import.meta.dirname, '../../node_modules/.bin/tsc')

// Each lists products that it has made, reads one that is not there, and places and pays an order, typed to the last field.
const OPENAPI_FETCH = `
import createClient from 'openapi-fetch'
import type { paths } from './schema.js'

export async function use(baseUrl: string, key: string) {
  const { GET, POST } = createClient<paths>({ baseUrl, headers: { 'X-API-Key': key } })
  const made = await POST('/api/v1/products', { body: { sku: 'FETCH', name: 'Desk', priceCents: 100, stock: 2 } })
  const query = { sku: 'FETCH', 'priceCents[gte]': 100, sort: ['-priceCents'] as '-priceCents'[], or: ['(stock=2)'] }
  const list = await GET('/api/v1/products', { params: { query } })
  const missing = await GET('/api/v1/products/{id}', { params: { path: { id: made.data!.id.replace(/.{4}$/, '0000') } } })
  const code: 'NOT_FOUND' | string | undefined = missing.error?.error.code
  const order = await POST('/api/v1/orders', { body: { lines: [{ productId: made.data!.id, quantity: 1 }] } })
  const paid = await POST('/api/v1/orders/{id}/pay', { params: { path: { id: order.data!.id } } })
  return { names: list.data!.data.map(({ name }) => name), next: list.data!.page.next, code, status: paid.data!.status }
}`

const HEY_API = `
import { createClient, createConfig } from './client/index.js'
import { createOrder, createProduct, listProducts, payOrder, readProduct } from './sdk.gen.js'

export async function use(baseUrl: string, key: string) {
  const client = createClient(createConfig({ baseUrl, auth: ({ name }) => (name === 'X-API-Key' ? key : undefined) }))
  const made = await createProduct({ client, body: { sku: 'HEY', name: 'Desk', priceCents: 100, stock: 2 } })
  const query = { sku: 'HEY', 'priceCents[gte]': 100, sort: ['-priceCents'] as '-priceCents'[], or: ['(stock=2)'] }
  const list = await listProducts({ client, query })
  const missing = await readProduct({ client, path: { id: made.data!.id.replace(/.{4}$/, '0000') } })
  const order = await createOrder({ client, body: { lines: [{ productId: made.data!.id, quantity: 1 }] } })
  const paid = await payOrder({ client, path: { id: order.data!.id } })
  const { status } = paid.data as { status: string }
  return { names: list.data!.data.map(({ name }) => name), next: list.data!.page.next, code: missing.error?.error.code, status }
}`

const ORVAL = `
import { createOrder, createProduct, listProducts, payOrder, readProduct } from './client.js'

export async function use(_: string, key: string) {
  const options = { headers: { 'X-API-Key': key } }
  const made = await createProduct({ sku: 'ORVAL', name: 'Desk', priceCents: 100, stock: 2 }, options)
  if (made.status !== 201) throw new Error(String(made.status))
  const query = { sku: 'ORVAL', 'priceCents[gte]': 100, sort: ['-priceCents'] as '-priceCents'[], or: ['(stock=2)'] }
  const list = await listProducts(query, options)
  if (list.status !== 200) throw new Error(String(list.status))
  const missing = await readProduct(made.data.id.replace(/.{4}$/, '0000'), {}, options)
  const code = missing.status === 404 ? missing.data.error.code : undefined
  const order = await createOrder({ lines: [{ productId: made.data.id, quantity: 1 }] }, options)
  if (order.status !== 201) throw new Error(String(order.status))
  const paid = await payOrder(order.data.id, options)
  const status = paid.status === 200 ? paid.data.status : undefined
  return { names: list.data.data.map(({ name }) => name), next: list.data.page.next, code, status }
}`

const TSCONFIG = {
  compilerOptions: {
    target: 'es2022',
    module: 'nodenext',
    lib: ['es2022', 'dom', 'dom.iterable'],
    types: [],
    strict: true,
    noUncheckedIndexedAccess: true,
    // Of the generators' own files, not of the packages that they import.
    skipLibCheck: true,
    rootDir: '.',
    outDir: 'built'
  },
  include: ['*/**/*.ts']
}

t.test('generators make clients that compile strictly and work', async (t) => {
  const { app, origin, someone } = await serveApp(t)
  const { token } = await someone('admin')
  const { key } = await app
    .inject({
      method: 'POST',
      url: '/api/v1/api-keys',
      headers: { authorization: `Bearer ${token}` },
      payload: { name: 'shop', scopes: ['products:*', 'orders:*'] }
    })
    .then((answer) => answer.json())
  const folder = t.testdir({
    'package.json': '{ "type": "module" }',
    node_modules: t.fixture('symlink', packages),
    'tsconfig.json': JSON.stringify(TSCONFIG),
    'openapi.json': await (await fetch(`${origin}/openapi.json`)).text(),
    'orval.config.js': `export default { api: {
      input: './openapi.json',
      output: { target: './orval/client.ts', client: 'fetch', baseUrl: '${origin}' } } }`,
    'openapi-fetch': { 'use.ts': OPENAPI_FETCH },
    'hey-api': {},
    orval: {}
  })
  // The shell takes away the loader of the test runner.
  const shell = (command: string) => run('sh', ['-c', `NODE_OPTIONS= exec ${command}`], { cwd: folder, maxBuffer: 1e8 })
  const bin = join(packages, '.bin')
  // By itself it calls what has a default required, in requests too.
  await shell(`${bin}/openapi-typescript openapi.json -o openapi-fetch/schema.ts --default-non-nullable=false`)
  await shell(`${bin}/openapi-ts -i openapi.json -o hey-api -c @hey-api/client-fetch`)
  await shell(`${bin}/orval --config orval.config.js`)
  writeFileSync(join(folder, 'hey-api/use.ts'), HEY_API)
  writeFileSync(join(folder, 'orval/use.ts'), ORVAL)
  await shell(`${compiler} --pretty false -p .`).catch(({ stdout }) => t.fail(stdout))

  for (const generator of ['openapi-fetch', 'hey-api', 'orval']) {
    const { use } = await import(pathToFileURL(join(folder, 'built', generator, 'use.js')).href)
    t.same(await use(origin, key), { names: ['Desk'], next: null, code: 'NOT_FOUND', status: 'paid' }, generator)
  }
})
