import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { copyTree, ONCE } from '#test/support/copy-tree.ts'

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

t.test(
  'a resource with every type is written, checked, tested, and deleted again',
  { ...ONCE, timeout: 180_000 },
  async (t) => {
    const project = copyTree(t)
    // The shell takes away the loader of the test runner.
    const run = (file: string, ...args: string[]) => {
      const tool = join(project, 'node_modules/.bin', file)
      return promisify(execFile)('sh', ['-c', 'NODE_OPTIONS= exec "$0" "$@"', tool, ...args], { cwd: project })
    }
    const { stdout } = await run('node', join(project, 'src/cli.ts'), 'new', 'resource', 'invoices', ...FIELDS)
    t.match(stdout, /routes\/api\/v1\/invoices\/schema\.ts[\s\S]*migrations\/\d{4}_invoices\.sql/)
    await run('biome', 'check', '--error-on-warnings', 'routes')
    await run('node', join(project, 'test/prepare.ts'))
    await run('node', join(project, 'routes/api/v1/invoices/invoices.test.ts'))
    rmSync(join(project, 'routes/api/v1/invoices'), { recursive: true })
    await run('tsc')
    await run('node', join(project, 'test/db/tables.test.ts'))
  }
)
