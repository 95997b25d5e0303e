import { readFile, writeFile } from 'node:fs/promises'
import type { Finding } from '../tools/fuzz/finding.ts'
import type { FuzzReport } from '../tools/fuzz/run.ts'
import type { Target } from '../tools/fuzz/session.ts'
import { MisuseError } from '../tools/misuse.ts'
import { readDocument } from '../tools/openapi/document.ts'
import { type Context, command, finding, type MakeCommand } from './frame.ts'
import { headersIn, listIn, parsed, wholeNumber, withTarget } from './values.ts'

const DESCRIPTION = `Sends valid and invalid inputs to a server and compares its answers with its own OpenAPI document, a URL or a file.
What it makes it deletes again. Never point it at data that matters.`

const EXAMPLES = [
  'tenon fuzz http://127.0.0.1:3000/openapi.json --key "$KEY" --cases 2000',
  'tenon fuzz api.yaml --server http://127.0.0.1:8080 --key "$KEY" --other-key "$OTHER_KEY" --save findings.json',
  'tenon fuzz api.yaml --server http://127.0.0.1:8080 --key "$KEY" --replay findings.json'
]

/** The options of `tenon fuzz`, as they are written. */
interface FuzzFlags {
  key?: string
  otherKey?: string
  header?: string[]
  server?: string
  cases?: string
  seed?: string
  only?: string
  skip?: string
  check?: string
  ownerFields?: string
  maxFindings?: string
  save?: string
  replay?: string
  json?: boolean
}

/** `tenon fuzz`: tries a server, and prints what it found. */
export const fuzzCommand: MakeCommand = (context) =>
  withTarget(command('fuzz <document>', DESCRIPTION, EXAMPLES))
    .option('--other-key <key>', 'the credential of another user: rows of the first must stay hidden from it')
    .option('--cases <number>', 'how many inputs (5,000)')
    .option('--seed <number>', 'the same seed tries the same inputs')
    .option('--only <operations>', 'only these operations, by operationId: a,b')
    .option('--skip <operations>', 'none of these operations')
    .option(
      '--check <checks>',
      'only these: valid input, invalid input, body, credential, lifecycle, hidden, filter, pages'
    )
    .option('--owner-fields <names>', 'fields that name the owner of a row (ownerId,owner_id,userId,user_id)')
    .option('--max-findings <number>', 'stop when there are so many')
    .option('--save <file>', 'write the findings')
    .option('--replay <file>', 'send the findings of a file again')
    .option('--json', 'print the report as JSON')
    .action(finding(context, (source: string, flags: FuzzFlags) => tryServer(source, flags, context)))

async function tryServer(source: string, flags: FuzzFlags, { output, signalOfUser }: Context): Promise<boolean> {
  const { fuzz, replay } = await import('../tools/fuzz/run.ts')
  const headers = headersIn(flags.header)
  const cases = wholeNumber('cases', flags.cases, 5_000)
  const maxFindings = flags.maxFindings === undefined ? undefined : wholeNumber('max-findings', flags.maxFindings, 1)
  const document = await readDocument(source, { server: flags.server, headers })
  const target: Target = {
    document,
    key: flags.key,
    otherKey: flags.otherKey,
    headers,
    only: listIn(flags.only),
    skip: listIn(flags.skip) ?? [],
    seed: wholeNumber('seed', flags.seed, Math.floor(Math.random() * 2 ** 31), 0),
    ownerFields: listIn(flags.ownerFields) ?? ['ownerId', 'owner_id', 'userId', 'user_id']
  }
  const onCase = (done: number, found: number) => {
    if (done % 20 === 0)
      output.progress(`${done.toLocaleString('en')} of ${cases.toLocaleString('en')} cases, ${found} findings`)
  }
  const report =
    flags.replay === undefined
      ? await fuzz(target, { cases, checks: listIn(flags.check), maxFindings, onCase, signal: signalOfUser?.() })
      : await replay(target, await findingsIn(flags.replay))
  output.progress('')
  if (flags.save !== undefined) await writeFile(flags.save, `${JSON.stringify(report.findings, undefined, 2)}\n`)
  output.say(flags.json ? JSON.stringify(report, undefined, 2) : describeReport(report))
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
