import { join } from 'node:path'
import { run } from '../throughput/processes.ts'
import { ROOT } from '../throughput/servers.ts'
import type { Lab } from './lab.ts'
import { bounded, type Check } from './promise.ts'

const PATIENCE_MS = 200_000

/** Shows a promise by the files of the suite that hold it, on the PostgreSQL of the laboratory. */
export async function showBySuite(lab: Lab, files: string[]): Promise<Check[]> {
  const env = { ...process.env, TEST_DATABASE_URL: lab.postgres.url }
  const args = [
    join(ROOT, 'node_modules/.bin/tap'),
    '--disable-coverage',
    '--allow-incomplete-coverage',
    '--reporter=tap'
  ]
  const output = await run('rest', process.execPath, [...args, ...files], PATIENCE_MS, env).catch(
    (error) => error.message
  )
  const counted = /# \{ total: (\d+)(?:, pass: (\d+))?(?:, fail: (\d+))?/.exec(output)
  const assertions = [...output.matchAll(/^ *(not )?ok \d+/gm)]
  const failed = assertions.filter(([, not]) => not).length
  const total = Number(counted?.[1] ?? assertions.length)
  return [
    bounded(
      total > 0 && failed === 0,
      `${files.join(' ')}: ${total.toLocaleString('en')} assertions, ${failed} failed`,
      'none failed'
    )
  ]
}
