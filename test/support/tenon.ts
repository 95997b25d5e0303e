import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { nodeFlags } from './node-flags.ts'

const ROOT = join(import.meta.dirname, '../..')

// Without these Node would resolve a link to its target.
const LINKED = ['--preserve-symlinks', '--preserve-symlinks-main']

/**
 * Runs a command of `src/cli.ts` in a process of its own.
 * @param root the folder of the project; a link to it counts as the folder itself.
 * @returns its exit code and its output.
 */
export async function tenon(
  args: string[],
  { cwd, env, root = ROOT }: { cwd?: string; env?: Record<string, string>; root?: string } = {}
): Promise<{ code: number; said: string }> {
  const child = spawn(process.execPath, [...nodeFlags, ...LINKED, join(root, 'src/cli.ts'), ...args], {
    cwd,
    env: { ...process.env, ...env }
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text))
  const [code] = await once(child, 'close')
  return { code, said }
}
