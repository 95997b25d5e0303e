// Opens pages in headless Chromium. /docs: the operations are shown, and nothing is refused by the page's own policy. And a
// page of another origin, as a shop would be: it logs in, reads, meets the 401 when its token expires, refreshes and goes on.
// And the same page with the client that `tenon client` writes, which does all of it by itself, and imports, exports and follows.
// Run by name: npm run test:browser (needs Chromium; CHROMIUM names it when it is not /usr/bin/chromium).
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { generateClient } from '../src/tools/client/generate.ts'
import { prepareDocument } from '../src/tools/openapi/document.ts'

const PATIENCE_MS = 60_000

const folder = mkdtempSync(join(tmpdir(), 'tenon-browser-'))

// The clock of the server, which the page moves on until its token has expired.
const now = Date.now
let aheadMs = 0
globalThis.Date = class extends Date {
  constructor(...parts: [] | [number]) {
    super(...((parts.length === 0 ? [now() + aheadMs] : parts) as [number]))
  }
  static override now = () => now() + aheadMs
} as DateConstructor

const shop = createServer((request, response) => {
  if (request.url === '/later') aheadMs += 660_000
  const isScript = request.url === '/tenon-client.js'
  response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8')
  if (isScript) response.end(clientScript())
  else response.end(request.url === '/' ? shopPage() : request.url === '/client' ? clientPage() : '')
}).listen(0, '127.0.0.1')
await once(shop, 'listening')
const shopOrigin = `http://127.0.0.1:${(shop.address() as AddressInfo).port}`

const app = await buildApp(
  loadConfig({
    LOG_LEVEL: 'silent',
    DATA_DIR: join(folder, 'data'),
    CORS_ORIGINS: shopOrigin,
    REGISTRATION: 'open'
  })
)
const address = await app.listen({ host: '127.0.0.1', port: 0 })

// Every step as a line of the page; the last one is there only when all of them went well.
function shopPage(): string {
  return `<!doctype html><title>shop</title><pre id="steps"></pre><script type="module">
    const say = (text) => { document.querySelector('#steps').textContent += text + '\\n' }
    const call = async (method, path, token, body) => {
      const answer = await fetch('${address}/api/v1' + path, {
        method,
        headers: { ...(token && { authorization: 'Bearer ' + token }), ...(body && { 'content-type': 'application/json' }) },
        body: body && JSON.stringify(body)
      })
      return { status: answer.status, headers: answer.headers, body: await answer.json().catch(() => undefined) }
    }
    const expect = (step, { status, headers }, wanted) => {
      const readable = ['x-request-id', 'ratelimit', 'server-timing'].filter((name) => !headers.get(name))
      if (status !== wanted || readable.length > 0) throw new Error(step + ' is ' + status + ' without ' + readable)
      say(step + ': ' + status)
    }
    try {
      const account = { email: 'page@example.com', password: 'walnut by the window 7' }
      expect('register', await call('POST', '/auth/register', undefined, account), 201)
      const login = await call('POST', '/auth/login', undefined, account)
      expect('login', login, 200)
      const { accessToken, refreshToken } = login.body
      expect('create', await call('POST', '/items', accessToken, { title: 'Of the page' }), 201)
      expect('list', await call('GET', '/items', accessToken), 200)
      expect('forbidden', await call('GET', '/users', accessToken), 403)
      expect('wrong', await call('GET', '/items?limit=x', accessToken), 422)
      await fetch('/later')
      const late = await call('GET', '/items', accessToken)
      expect('expired', late, 401)
      if (!late.headers.get('www-authenticate')) throw new Error('the 401 has no challenge')
      const next = await call('POST', '/auth/refresh', undefined, { refreshToken })
      expect('refresh', next, 200)
      const items = await call('GET', '/items', next.body.accessToken)
      expect('list again', items, 200)
      if (items.body.data.length !== 1) throw new Error('the item is not there')
      say('the page goes on')
    } catch (error) { say('FAILED ' + error) }
  </script>`
}

function clientScript(): string {
  const document = prepareDocument(app.swagger(), { server: address })
  return stripTypeScriptTypes(generateClient(document))
}

function clientPage(): string {
  return `<!doctype html><title>client</title><pre id="steps"></pre><script type="module">
    import { createClient, events, isApiError, items, login, users } from '/tenon-client.js'
    const say = (text) => { document.querySelector('#steps').textContent += text + '\\n' }
    const expect = (step, isSo) => {
      if (!isSo) throw new Error(step)
      say(step + ': ok')
    }
    try {
      const retries = []
      const credential = login({ email: 'page@example.com', password: 'walnut by the window 7' })
      const client = createClient({ baseUrl: '${address}', credential, onRetry: (retry) => retries.push(retry) })
      const { list, create, read, import: load, export: save } = items(client)
      const made = await create({ title: 'Of the client' }).answer()
      expect('create', made.status === 201 && made.etag)
      const id = made.data.id
      expect('read, and again by its tag', (await read(id)).id === id && (await read(id)).title === 'Of the client')
      async function* rows() { for (let n = 0; n < 300; n += 1) yield { title: 'row ' + n } }
      expect('import', (await load(rows())).created === 300)
      let listed = 0
      for await (const row of list({ limit: 100, fields: ['id'] })) listed += row.title === undefined ? 1 : 0
      expect('list of four pages', listed === 302)
      let exported = 0
      for await (const row of save()) exported += row.title === undefined ? 0 : 1
      expect('export', exported === 302)
      const forbidden = await users(client).list().catch((error) => error)
      expect('forbidden', isApiError(forbidden, 'FORBIDDEN') && forbidden.requestId)
      await fetch('/later')
      expect('list with a token that has expired', (await list({ count: 'exact' })).page.total === 302)
      const { page } = await events(client).list({ type: ['item.created'], limit: 1 })
      for await (const { event } of events(client).stream({ type: ['item.created'] }, { after: page.next })) {
        expect('event', event.type === 'item.created')
        break
      }
      await credential.logout(client)
      expect('without a second attempt', retries.length === 0)
      say('the client goes on')
    } catch (error) { say('FAILED ' + error) }
  </script>`
}

async function open(url: string): Promise<{ page: string; complaints: string[] }> {
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--enable-logging=stderr',
    '--window-size=1400,1000',
    `--user-data-dir=${join(folder, 'profile')}`,
    `--screenshot=${process.env.SCREENSHOT ?? join(folder, 'docs.png')}`,
    '--virtual-time-budget=10000',
    '--dump-dom'
  ]
  const { stdout, stderr } = await runChromium([...flags, url])
  // The page's only message of its own is its version.
  const messages = stderr.split('\n').filter((line) => line.includes('CONSOLE'))
  return { page: stdout, complaints: messages.filter((line) => !line.includes('"@scalar/api-reference@')) }
}

// On a busy machine its virtual time may stand still for good: it is begun again then, twice at most.
async function runChromium(args: string[], triesLeft = 3): Promise<{ stdout: string; stderr: string }> {
  const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium'
  try {
    return await promisify(execFile)(chromium, args, {
      maxBuffer: 1 << 26,
      timeout: PATIENCE_MS,
      killSignal: 'SIGKILL'
    })
  } catch (error) {
    if (!(error as { killed?: boolean }).killed || triesLeft === 1) throw error
    return runChromium(args, triesLeft - 1)
  }
}

const { page, complaints } = await open(`${address}/docs`)
const missing = ['List products', 'Log in', 'categories', 'orders'].filter((text) => !page.includes(text))
const { page: steps } = await open(shopOrigin)
const { page: clientSteps } = await open(`${shopOrigin}/client`)
await app.close()
shop.close()
shop.closeAllConnections()
rmSync(folder, { recursive: true, force: true })

const textOf = (page: string) => /<pre[^>]*>([\s\S]*)<\/pre>/.exec(page)?.[1]?.trim() ?? page
const [goesOn, clientGoesOn] = [textOf(steps), textOf(clientSteps)]
process.stdout.write(`operations missing from /docs: ${missing.join(', ') || 'none'}\n`)
process.stdout.write(`console messages: ${complaints.join('\n') || 'none'}\n`)
process.stdout.write(`a page of another origin:\n${goesOn}\n`)
process.stdout.write(`the same with the client:\n${clientGoesOn}\n`)
const areFine = goesOn.endsWith('the page goes on') && clientGoesOn.endsWith('the client goes on')
const isFine = missing.length + complaints.length === 0 && areFine
process.exitCode = isFine ? 0 : 1
