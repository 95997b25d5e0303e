import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { generateClient } from '#src/tools/client/generate.ts'
import { prepareDocument } from '#src/tools/openapi/document.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

/** Stricter than `--strict`, and without the types of any runtime but those of the web. */
const STRICT = {
  target: 'es2022',
  module: 'esnext',
  moduleResolution: 'bundler',
  lib: ['es2022', 'dom'],
  types: [],
  noEmit: true,
  allowImportingTsExtensions: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noFallthroughCasesInSwitch: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  isolatedModules: true,
  erasableSyntaxOnly: true,
  verbatimModuleSyntax: true
}

/** Writes the client of a document into a folder. @returns its text. */
export function writeClient(folder: string, document: unknown): string {
  const text = generateClient(prepareDocument(document, { server: 'http://127.0.0.1' }))
  writeFileSync(join(folder, 'tenon-client.ts'), text)
  return text
}

/** The code blocks of `docs/clients.md`, by their label. */
export function docsBlock(label: string): string {
  const page = readFileSync(join(root, 'docs/clients.md'), 'utf8')
  const found = new RegExp(`^\`\`\`ts ${label}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page)?.[1]
  if (found === undefined) throw new Error(`docs/clients.md has no block '${label}'`)
  return found
}

/** Type-checks files of a folder strictly. @returns what the compiler says; empty when all is well. */
export async function checkStrictly(folder: string, files: string[], options: object = {}): Promise<string> {
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...STRICT, ...options }, files }))
  // The shell takes away the loader of the test runner: the compiler cannot be loaded through it.
  const compiler = 'NODE_OPTIONS= exec "$1/node_modules/.bin/tsc" --pretty false -p "$0"'
  const { stdout, stderr } = await run('sh', ['-c', compiler, folder, root], { maxBuffer: 1e8 }).catch((error) => error)
  return `${stdout}${stderr}`
}
