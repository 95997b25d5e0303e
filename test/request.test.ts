import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { copyTemplate } from './support/database.ts'

const root = join(import.meta.dirname, '..')
const KINDS = { R: 'read', L: 'list', C: 'create' } as const

/** The files that the page names for a kind of request: rows of its tables are `| file | what it does | R L C |`. */
function documented(kind: keyof typeof KINDS): string[] {
  const page = readFileSync(join(root, 'docs/request.md'), 'utf8')
  const rows = page.matchAll(/^\| `([^`]+\.ts)` \|.*\| ([RLC ]+) \|$/gm)
  return [...rows].flatMap(([, file, kinds]) => (kinds?.includes(kind) ? [file as string] : [])).sort()
}

t.test('docs/request.md names the files that a warm read, list and create run, and no other', async (t) => {
  const { DATA_DIR } = copyTemplate(t)
  // V8 counts in a process with counters that nothing else needs.
  const env = { ...process.env, NODE_V8_COVERAGE: '' }
  const script = join(root, 'test/support/trace-requests.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [script, DATA_DIR], { env })
  const ran = JSON.parse(stdout) as Record<string, string[]>
  for (const [kind, name] of Object.entries(KINDS)) t.same(documented(kind as keyof typeof KINDS), ran[name], name)
})
