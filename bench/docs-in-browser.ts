// Opens /docs in headless Chromium: the operations are shown, and nothing is refused by the page's own policy.
// Run by name: npm run test:browser (needs Chromium; CHROMIUM names it when it is not /usr/bin/chromium).
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'

const folder = mkdtempSync(join(tmpdir(), 'tenon-browser-'))
const app = await buildApp(loadConfig({ LOG_LEVEL: 'silent', DATA_DIR: join(folder, 'data') }))
const address = await app.listen({ host: '127.0.0.1', port: 0 })

async function open(path: string): Promise<{ page: string; complaints: string[] }> {
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
  const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium'
  const { stdout, stderr } = await promisify(execFile)(chromium, [...flags, address + path], { maxBuffer: 1 << 26 })
  // The page's only message of its own is its version.
  const messages = stderr.split('\n').filter((line) => line.includes('CONSOLE'))
  return { page: stdout, complaints: messages.filter((line) => !line.includes('"@scalar/api-reference@')) }
}

const { page, complaints } = await open('/docs')
const missing = ['List products', 'Log in', 'categories', 'orders'].filter((text) => !page.includes(text))
await app.close()
rmSync(folder, { recursive: true, force: true })

process.stdout.write(`operations missing from /docs: ${missing.join(', ') || 'none'}\n`)
process.stdout.write(`console messages: ${complaints.join('\n') || 'none'}\n`)
process.exitCode = missing.length + complaints.length === 0 ? 0 : 1
