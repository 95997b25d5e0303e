import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { PASSWORD } from '../support/app.ts'
import { docsBlock, writeClient } from '../support/generated-client.ts'
import { serveApp } from '../support/serve.ts'

const run = promisify(execFile)
const bin = join(import.meta.dirname, 'node_modules/.bin')

const runtimes = {
  node: process.execPath,
  bun: `${bin}/bun run`,
  deno: `${bin}/deno run --allow-net --quiet`
}

// The walk of the documentation, and every kind of stream: an import of rows that come one by one, a list over several pages,
// an export, and events.
const main = (origin: string, email: string, runtime: string) => `
import { walk } from './walk.ts'
import { createClient, events, isApiError, login, products } from './tenon-client.ts'

const say = console.log
console.log = () => {}
const { paid } = await walk('${origin}', '${email}', '${PASSWORD}')
const client = createClient({ baseUrl: '${origin}', credential: login({ email: '${email}', password: '${PASSWORD}' }) })
async function* rows() {
  for (let n = 0; n < 500; n += 1) yield { sku: '${runtime}-' + n, name: '${runtime}', priceCents: n }
}
const { created } = await products(client).import(rows())
let listed = 0
for await (const row of products(client).list({ limit: 200, name: '${runtime}' })) listed += row.name === '${runtime}' ? 1 : 0
let exported = 0
for await (const row of products(client).export({ name: '${runtime}' })) exported += row.priceCents
const started = (await events(client).list({ type: ['product.created'], limit: 1 })).page.next
let followed = ''
for await (const { event } of events(client).stream({ type: ['product.created'] }, { after: started })) {
  followed = event.type
  break
}
const { etag } = await products(client).read(paid[0].data.lines[0].productId).answer()
const stale = await products(client).update(paid[0].data.lines[0].productId, { stock: 1 }, { ifMatch: '"stale"' }).catch((error) => error)
const isTagged = typeof etag === 'string' && isApiError(stale, 'PRECONDITION_FAILED')
const unreachable = createClient({ baseUrl: 'http://127.0.0.1:9', maxRetries: 1 })
const lost = await products(unreachable).list().catch(({ name }) => name)
say(JSON.stringify({ paid: paid.length, created, listed, exported, followed, isTagged, lost }))
`

for (const [runtime, command] of Object.entries(runtimes)) {
  t.test(`the client in ${runtime}`, async (t) => {
    const { origin, app, someone } = await serveApp(t)
    const { email } = await someone('admin')
    const folder = t.testdir({
      'package.json': '{ "type": "module" }',
      'walk.ts': docsBlock('walk'),
      'main.ts': main(origin, email, runtime)
    })
    writeClient(folder, app.swagger())
    // The shell takes away the loader of the test runner.
    const { stdout } = await run('sh', ['-c', `NODE_OPTIONS= NO_COLOR=1 exec ${command} main.ts`], { cwd: folder })
    t.same(JSON.parse(stdout), {
      paid: 1,
      created: 500,
      listed: 500,
      exported: (499 * 500) / 2,
      followed: 'product.created',
      isTagged: true,
      lost: 'ConnectionError'
    })
  })
}
