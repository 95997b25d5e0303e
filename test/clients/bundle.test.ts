import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { writeClient } from '../support/generated-client.ts'

t.test('a bundle has the resources that are called, and the parts of the runtime that they need', async (t) => {
  const { app } = await startApp(t)
  const folder = t.testdir({})
  const written = writeClient(folder, app.swagger())
  async function bundle(...names: string[]): Promise<string> {
    const contents = `import { createClient, ${names} } from './tenon-client.ts'
      console.log(createClient, ${names})`
    const outfile = join(folder, `${names.join('-')}.js`)
    const stdin = { contents, resolveDir: folder }
    await build({ stdin, bundle: true, minify: true, format: 'esm', outfile })
    return readFile(outfile, 'utf8')
  }
  const orders = await bundle('orders', 'apiKey')
  t.match(orders, '/api/v1/orders')
  // Another resource, events, imports, logins.
  t.notMatch(orders, /\/api\/v1\/products|last-event-id|enqueue\(\w+\.encode|auth\/refresh/)
  t.match(await bundle('events', 'products', 'login'), /last-event-id/)
  t.match(await bundle('events', 'products', 'login'), /auth\/|\/api\/v1\/products/)
  t.ok(orders.length < 12_000, `${orders.length} bytes of ${written.length}`)
})
