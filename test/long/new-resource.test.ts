import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const ROOT = join(import.meta.dirname, '../..')
const FIELDS = [
  'number:string:unique',
  'notes:text:?',
  'count:integer:unique',
  'views:bigint=0',
  'weight:number',
  'price:decimal(10,2)',
  'active:boolean=true',
  'dueAt:timestamp',
  'day:date:unique',
  'code:uuid:unique',
  'extra:json:?',
  'status:enum(draft,sent,paid)=draft',
  'tags:string[]=[]',
  'productId:ref:products',
  'customerId:ref:users'
]

t.test('a resource with every type is written, checked, tested, and deleted again', async (t) => {
  const project = mkdtempSync(join(tmpdir(), 'tenon-new-'))
  t.teardown(() => rmSync(project, { recursive: true, force: true }))
  const parts = ['src', 'plugins', 'routes', 'migrations', 'test', 'package.json', 'tsconfig.json', 'drizzle.config.ts']
  for (const part of [...parts, 'biome.json', 'biome-rules.grit', 'bench'])
    cpSync(join(ROOT, part), join(project, part), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'))
  const run = (file: string, ...args: string[]) =>
    promisify(execFile)(join(ROOT, 'node_modules/.bin', file), args, { cwd: project, env: { ...process.env, TAP: '' } })
  const { stdout } = await run('node', join(project, 'src/cli.ts'), 'new', 'resource', 'invoices', ...FIELDS)
  t.match(stdout, /routes\/api\/v1\/invoices\/schema\.ts[\s\S]*migrations\/\d{4}_invoices\.sql/)
  await run('biome', 'check', '--error-on-warnings', 'routes')
  await run('node', join(project, 'routes/api/v1/invoices/invoices.test.ts'))
  // The engine's own generated tests take it in.
  await run('node', join(project, 'test/contract.test.ts'))
  rmSync(join(project, 'routes/api/v1/invoices'), { recursive: true })
  await run('tsc')
  await run('node', join(project, 'test/db/tables.test.ts'))
})
