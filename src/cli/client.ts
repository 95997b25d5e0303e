import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { generateClient } from '../tools/client/generate.ts'
import { MisuseError } from '../tools/misuse.ts'
import { type ApiDocument, prepareDocument, readDocument } from '../tools/openapi/document.ts'
import { currentDocument } from './document.ts'
import type { Output } from './output.ts'
import { headersIn, parsed } from './values.ts'

export const CLIENT_USAGE = `tenon client [OpenAPI document: URL or file] [options]
Writes a client as one TypeScript file without dependencies, with the types of the schemas. Without a document it is that of
this code.

  --out FILE         where to (tenon-client.ts)
  --check            write nothing; exit code 1 when the file is not what would be written
  --header 'N: V'    sent when the document is downloaded; may be repeated
  --json             print what was done as JSON

  tenon client --out src/tenon-client.ts
  tenon client https://api.example.com/openapi.json --out tenon-client.ts
  tenon client --out src/tenon-client.ts --check`

const OPTIONS = {
  out: { type: 'string' },
  check: { type: 'boolean' },
  header: { type: 'string', multiple: true },
  json: { type: 'boolean' },
  help: { type: 'boolean' }
} as const

/**
 * `tenon client`: writes the client of a document, or compares it with the file.
 * @param ownDocument gives the document of this code.
 * @returns whether the file is now what the document says.
 * @throws MisuseError when the arguments or the document are wrong, or the file cannot be written.
 */
export async function clientCommand(
  args: string[],
  output: Output,
  ownDocument: () => Promise<unknown> = currentDocument
): Promise<boolean> {
  const { values, positionals } = parsed(() => parseArgs({ args, options: OPTIONS, allowPositionals: true }))
  if (values.help) {
    output.say(CLIENT_USAGE)
    return true
  }
  const [source, ...more] = positionals
  if (more.length > 0) throw new MisuseError('usage: client [OpenAPI document]; see client --help')
  const { out: file = 'tenon-client.ts', check = false } = values
  const document = await documentOf(source, headersIn(values.header), ownDocument)
  const text = generateClient(document)
  const isSame = (await readFile(file, 'utf8').catch(() => undefined)) === text
  if (!isSame && !check) {
    await writeFile(file, text).catch((error: Error) => {
      throw new MisuseError(`${file} cannot be written: ${error.message}`)
    })
  }
  const done = isSame ? 'unchanged' : check ? 'outdated' : 'written'
  output.say(values.json ? JSON.stringify({ file, done }) : sentence(file, done, document))
  return done !== 'outdated'
}

function documentOf(
  source: string | undefined,
  headers: Record<string, string>,
  ownDocument: () => Promise<unknown>
): Promise<ApiDocument> {
  // The address of the server is given to the client, not to the file.
  const server = 'http://127.0.0.1'
  if (source !== undefined) return readDocument(source, { server, headers })
  return ownDocument().then((document) => prepareDocument(document, { server }))
}

function sentence(file: string, done: string, { title, version }: ApiDocument): string {
  const of = `the client of ${title} ${version}`.trim()
  if (done === 'outdated') return `${file} is not ${of}: write it again.`
  return done === 'written' ? `${file} is ${of} now.` : `${file} is ${of} already.`
}
