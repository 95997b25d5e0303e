import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { Finding } from '../tools/fuzz/finding.ts'
import { type FuzzReport, fuzz, replay } from '../tools/fuzz/run.ts'
import type { Target } from '../tools/fuzz/session.ts'
import { MisuseError } from '../tools/misuse.ts'
import { readDocument } from '../tools/openapi/document.ts'
import type { Output } from './output.ts'
import { headersIn, listIn, parsed, wholeNumber } from './values.ts'

export const FUZZ_USAGE = `tenon fuzz <OpenAPI document: URL or file> [options]
Sends valid and invalid inputs to a server and compares its answers with its own document. What it makes it deletes again.
Never point it at data that matters.

  --key K            the credential, as the document's security scheme has it
  --other-key K      the credential of another user: rows of the first must stay hidden from it
  --header 'N: V'    sent with every request; may be repeated
  --server URL       where the server is, if not where the document says
  --cases N          how many inputs (5,000)
  --seed N           the same seed tries the same inputs
  --only a,b         only these operations, by operationId; --skip a,b none of these
  --check a,b        only these checks: valid input, invalid input, body, credential, lifecycle, hidden, filter, pages
  --owner-fields a,b fields that name the owner of a row (ownerId,owner_id,userId,user_id)
  --max-findings N   stop when there are so many
  --save FILE        write the findings; --replay FILE sends them again
  --json             print the report as JSON

  tenon fuzz http://127.0.0.1:3000/openapi.json --key "$KEY" --cases 2000
  tenon fuzz api.yaml --server http://127.0.0.1:8080 --key "$KEY" --other-key "$OTHER_KEY" --save findings.json
  tenon fuzz api.yaml --server http://127.0.0.1:8080 --key "$KEY" --replay findings.json`

const OPTIONS = {
  key: { type: 'string' },
  'other-key': { type: 'string' },
  header: { type: 'string', multiple: true },
  server: { type: 'string' },
  cases: { type: 'string' },
  seed: { type: 'string' },
  only: { type: 'string' },
  skip: { type: 'string' },
  check: { type: 'string' },
  'owner-fields': { type: 'string' },
  'max-findings': { type: 'string' },
  save: { type: 'string' },
  replay: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' }
} as const

/**
 * `tenon fuzz`: tries a server, and prints what it found.
 * @returns whether nothing was found.
 * @throws MisuseError when the arguments, the document or the file of a replay are wrong.
 */
export async function fuzzCommand(args: string[], output: Output): Promise<boolean> {
  const { values, positionals } = parsed(() => parseArgs({ args, options: OPTIONS, allowPositionals: true }))
  if (values.help) {
    output.say(FUZZ_USAGE)
    return true
  }
  const [source, ...more] = positionals
  if (source === undefined || more.length > 0) throw new MisuseError('usage: fuzz <OpenAPI document>; see fuzz --help')
  const headers = headersIn(values.header)
  const cases = wholeNumber('cases', values.cases, 5_000)
  const maxFindings =
    values['max-findings'] === undefined ? undefined : wholeNumber('max-findings', values['max-findings'], 1)
  const document = await readDocument(source, { server: values.server, headers })
  const target: Target = {
    document,
    key: values.key,
    otherKey: values['other-key'],
    headers,
    only: listIn(values.only),
    skip: listIn(values.skip) ?? [],
    seed: wholeNumber('seed', values.seed, Math.floor(Math.random() * 2 ** 31), 0),
    ownerFields: listIn(values['owner-fields']) ?? ['ownerId', 'owner_id', 'userId', 'user_id']
  }
  const onCase = (done: number, found: number) => {
    if (done % 20 === 0)
      output.progress(`${done.toLocaleString('en')} of ${cases.toLocaleString('en')} cases, ${found} findings`)
  }
  const report =
    values.replay === undefined
      ? await fuzz(target, { cases, checks: listIn(values.check), maxFindings, onCase })
      : await replay(target, await findingsIn(values.replay))
  output.progress('')
  if (values.save !== undefined) await writeFile(values.save, `${JSON.stringify(report.findings, undefined, 2)}\n`)
  output.say(values.json ? JSON.stringify(report, undefined, 2) : describeReport(report))
  return report.findings.length === 0
}

async function findingsIn(file: string): Promise<Finding[]> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new MisuseError(`${file} cannot be read: ${error.message}`)
  })
  const findings = parsed(() => JSON.parse(text), `${file} has no findings`)
  if (!Array.isArray(findings)) throw new MisuseError(`${file} has no findings`)
  return findings
}

/** A report for a person. */
export function describeReport({
  findings,
  seed,
  cases,
  requests,
  postponed,
  leftOut,
  onlyRefused,
  leftBehind
}: FuzzReport): string {
  const count = (number: number) => number.toLocaleString('en')
  const notes: [string, string[]][] = [
    ['Left out, because they could change rows of others (--only tries them)', leftOut],
    ['Never succeeded, so that only refusals were tried', onlyRefused],
    ['Left behind, because they could not be deleted', leftBehind]
  ]
  return [
    ...findings.map(describedFinding),
    `${count(cases)} cases, ${count(requests)} requests${postponed > 0 ? `, ${count(postponed)} of them put off by the server` : ''}: ${findings.length || 'no'} finding${findings.length === 1 ? '' : 's'}. Seed ${seed}.`,
    ...notes.flatMap(([title, all]) => (all.length > 0 ? [`${title}: ${shortened(all)}`] : []))
  ].join('\n')
}

const MAX_NAMED = 20
const shortened = (all: string[]) =>
  all.length <= MAX_NAMED ? all.join(', ') : `${all.slice(0, MAX_NAMED).join(', ')} and ${all.length - MAX_NAMED} more`

function describedFinding({
  kind,
  operation,
  message,
  curl,
  answer,
  check,
  subject,
  seed,
  path,
  isRepeatable
}: Finding): string {
  const once = isRepeatable ? '' : '; it did not show again with the same input'
  return [
    `${kind}  ${operation}: ${message}`,
    ...curl.map((line) => `  ${line}`),
    `  → ${answer}`,
    `  (${check} of ${subject}, seed ${seed}, path ${path}${once})`,
    ''
  ].join('\n')
}
