import { join } from 'node:path'
import { run } from '../../throughput/processes.ts'
import { ROOT } from '../../throughput/servers.ts'
import { bounded, type Promised, seen } from '../promise.ts'

const PATIENCE_MS = 220_000

export default {
  name: 'export',
  title: 'Export to a slow reader, and aborted',
  async show(lab) {
    // What it prints is what it found; it fails when one of it is not as it should be.
    const rows = String(lab.some(200_000, 20_000))
    const env = { ...process.env, DATABASE_URL: lab.postgres.url, ROWS: rows, SLOW_SECONDS: String(lab.some(20, 3)) }
    const args = [join(ROOT, 'bench/stream.ts')]
    const output = await run('any', process.execPath, args, PATIENCE_MS, env).catch((error) => (error as Error).message)
    const lines = output.split('\n').filter((line) => /^(NOT OK|ok) - /.test(line))
    if (lines.length === 0) return [bounded(false, output.slice(0, 200), 'an export')]
    return [
      seen(`${Number(rows).toLocaleString('en')} rows`),
      ...lines.map((line) =>
        bounded(line.startsWith('ok'), line.slice(line.indexOf('- ') + 2), 'as bench/stream.ts says')
      )
    ]
  }
} satisfies Promised
