import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** For tests of the tree itself, which is the same on every database: they run once. */
export const ONCE = {
  skip: process.env.TEST_DATABASE_URL ? 'the tree was tried on the embedded database' : false
} as const

const ROOT = join(import.meta.dirname, '../..')
const COPIED = [
  'src',
  'plugins',
  'routes',
  'migrations',
  'docs',
  'test',
  'package.json',
  'tsconfig.json',
  'drizzle.config.ts',
  'biome.json',
  'biome-rules.grit',
  '.gitignore'
]

/** A copy of the project that a test may change, with the same packages. @returns its folder. */
export function copyTree(t: { teardown(end: () => unknown): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenon-copy-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}
