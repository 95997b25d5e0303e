import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const entry = join(import.meta.dirname, '../../src/cli.ts')

/** Runs a command of `src/cli.ts` in a process of its own. @returns its exit code, and all that it printed. */
export async function tenon(
  args: string[],
  { cwd, env }: { cwd?: string; env?: Record<string, string> } = {}
): Promise<{ code: number; said: string }> {
  const child = spawn(process.execPath, [entry, ...args], { cwd, env: { ...process.env, ...env } })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text))
  const [code] = await once(child, 'close')
  return { code, said }
}
