import { readFile, writeFile } from 'node:fs/promises'
import { MisuseError } from '../tools/misuse.ts'
import { type ApiDocument, prepareDocument, readDocument } from '../tools/openapi/document.ts'
import { type Context, command, finding, type MakeCommand } from './frame.ts'
import { collected, headersIn } from './values.ts'

const DESCRIPTION = `Writes a client as one TypeScript file without dependencies, with the types of the schemas of an OpenAPI document, a URL or a
file. Without a document it is that of this code.`

const EXAMPLES = [
  'tenon client --out src/tenon-client.ts',
  'tenon client https://api.example.com/openapi.json --out tenon-client.ts',
  'tenon client --out src/tenon-client.ts --check'
]

/** The options of `tenon client`, as they are written. */
interface ClientFlags {
  out: string
  check?: boolean
  header?: string[]
  json?: boolean
}

/**
 * `tenon client`: writes the client of a document, or compares it with the file.
 * @param ownDocument gives the document of this code.
 */
export const makeClientCommand =
  (ownDocument: () => Promise<unknown>): MakeCommand =>
  (context) =>
    command('client [document]', DESCRIPTION, EXAMPLES)
      .option('--out <file>', 'where to', 'tenon-client.ts')
      .option('--check', 'write nothing; exit code 1 when the file is not what would be written')
      .option('--header <line>', "'Name: value', sent when the document is downloaded; may be repeated", collected)
      .option('--json', 'print what was done as JSON')
      .action(
        finding(context, async (source: string | undefined, flags: ClientFlags) =>
          writeClient(await documentOf(source, headersIn(flags.header), ownDocument), flags, context)
        )
      )

/** `tenon client` of this code. */
export const clientCommand: MakeCommand = makeClientCommand(async () => {
  const { currentDocument } = await import('./document.ts')
  return currentDocument()
})

async function writeClient(document: ApiDocument, flags: ClientFlags, { output }: Context): Promise<boolean> {
  const { generateClient } = await import('../tools/client/generate.ts')
  const { out: file, check = false } = flags
  const text = generateClient(document)
  const isSame = (await readFile(file, 'utf8').catch(() => undefined)) === text
  if (!isSame && !check) {
    await writeFile(file, text).catch((error: Error) => {
      throw new MisuseError(`${file} cannot be written: ${error.message}`)
    })
  }
  const done = isSame ? 'unchanged' : check ? 'outdated' : 'written'
  output.say(flags.json ? JSON.stringify({ file, done }) : sentence(file, done, document))
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
