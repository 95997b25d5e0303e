import { readFileSync } from 'node:fs'
import { join } from 'node:path'

// Each after what it uses while it is loaded.
const ALWAYS = ['retry', 'errors', 'patience', 'query', 'cache', 'client', 'exchange', 'call', 'credentials']
const PARTS = { list: ['pages'], rows: ['rows'], upload: ['rows', 'upload'], follow: ['rows', 'events'] }

/** A part of the runtime that only some documents need. */
export type Part = keyof typeof PARTS

/** What a user of the file imports besides the resources; everything else of the runtime stays inside. */
const PUBLIC =
  'createClient ClientOptions Client Credential Retry apiKey bearer login LoginOptions LoginCredential Tokens ApiError ConnectionError TimeoutError isApiError Fault ErrorCode CallOptions KeyedOptions ChangeOptions LongOptions Call Answer call Operation Page Pages Rows RowFormat RowSource Upload UploadOptions Followed FollowOptions Filter Answered Selected segment'.split(
    ' '
  )

/** The runtime as one text, and the names that it declares. */
export function runtimeText(parts: Set<Part>): { text: string; names: string[] } {
  const files = new Set([...ALWAYS, ...[...parts].flatMap((part) => PARTS[part])])
  const text = [...files]
    .map((file) => readFileSync(join(import.meta.dirname, 'runtime', `${file}.ts`), 'utf8'))
    .map((code) => code.replace(/^import [^']*'[^']*'\n/gm, '').replace(/^ *\/\/ biome-ignore .*\n/gm, ''))
    .join('\n')
  const declared = /^export (?:async )?(?:function\*?|class|interface|type|const) (\w+)/gm
  const names = [...text.matchAll(/^(?:export )?(?:async )?(?:function\*?|class|interface|type|const|let) (\w+)/gm)]
  return {
    text: text.replace(declared, (line, name) => (PUBLIC.includes(name) ? line : line.slice('export '.length))).trim(),
    names: [...new Set([...names.map(([, name]) => name as string), 'ErrorCode'])]
  }
}
