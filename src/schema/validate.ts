import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import { type ApiError, type Fault, validationFailed } from '../errors.ts'
import { coerce } from './coerce.ts'
import { contentOf } from './content.ts'
import { CURRENCIES } from './currencies.ts'
import { NOT_BLANK } from './fields.ts'
import { isNetwork } from './networks.ts'
import { pointer, shorten } from './pointer.ts'

/** The parts of a request as Fastify names them. */
export type HttpPart = 'body' | 'querystring' | 'params' | 'headers'

type Schema = Record<string, unknown>
type Compiled = { content: string; check: ValidateFunction; checkAll?: ValidateFunction }
type Validator = (data: unknown) => true | { error: ApiError }

const PART_NAMES = { body: 'body', querystring: 'query', params: 'path', headers: 'headers' } as const
const MAX_FAULTS = 100
// The second pass visits every value, so the answer to a body made to be slow has its first fault only.
const MAX_NODES = 10_000

const RULES = {
  useDefaults: true,
  // Without it 1e400, which JSON.parse reads as Infinity, passes as a number.
  strictNumbers: true,
  strictTypes: false,
  strictRequired: false,
  ownProperties: true,
  validateSchema: false,
  code: { regExp: boundedPattern }
} as const
const first = withVocabulary(new Ajv({ ...RULES, allErrors: false }))
const every = withVocabulary(new Ajv({ ...RULES, allErrors: true }))
const compiled = new Map<string, Compiled>()

/**
 * The validator of one part of a request. Bodies are strict; the text of a query, path or header is coerced first to
 * the type that its schema declares. Compiled on first use, and once for all schemas of the same content.
 * On failure every fault is listed, at most 100.
 */
export function compileValidator(schema: Schema, part: HttpPart): Validator {
  const isText = part !== 'body'
  // A request has many more headers than a route declares.
  const names = part === 'headers' ? Object.keys((schema.properties ?? {}) as object) : undefined
  let known: Compiled | undefined
  return function validate(data) {
    known ??= compile(schema)
    const textFaults = isText ? coerce(data as Record<string, unknown>, schema, names) : []
    if (textFaults.length === 0 && known.check(data)) return true
    const errors = textFaults.length === 0 ? allErrors(known, data) : []
    const faults = [...textFaults, ...errors.slice(0, MAX_FAULTS).map(describeShortly)].slice(0, MAX_FAULTS)
    return { error: validationFailed(faults.map((fault) => ({ in: PART_NAMES[part], ...fault }))) }
  }
}

function compile(schema: Schema): Compiled {
  const content = JSON.stringify(contentOf(schema))
  let known = compiled.get(content)
  if (!known) {
    known = { content, check: first.compile(JSON.parse(content)) }
    compiled.set(content, known)
  }
  return known
}

function allErrors(known: Compiled, data: unknown): ErrorObject[] {
  const firstErrors = known.check.errors as ErrorObject[]
  if (!isSmall(data)) return firstErrors
  known.checkAll ??= every.compile(JSON.parse(known.content))
  known.checkAll(data)
  // A union reports each of its branches and itself: the branch errors are noise unless there are no others.
  const errors = known.checkAll.errors as ErrorObject[]
  const unions = new Set<string>()
  // For an empty text the fault "too short" is enough.
  const short = new Set<string>()
  for (const { keyword, schemaPath, instancePath } of errors) {
    if (keyword === 'anyOf') unions.add(`${schemaPath}/`)
    if (keyword === 'minLength') short.add(instancePath)
  }
  // A list of many values that fit no branch has one union, and many errors.
  const inUnions = [...unions]
  return errors.filter(
    ({ schemaPath, instancePath, params }) =>
      !inUnions.some((union) => schemaPath.startsWith(union)) &&
      !(params.pattern === NOT_BLANK && short.has(instancePath))
  )
}

function isSmall(data: unknown): boolean {
  let count = 0
  const pending = [data]
  while (pending.length > 0 && count <= MAX_NODES) {
    const value = pending.pop()
    count += 1
    if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) pending.push(inner)
  }
  return count <= MAX_NODES
}

// An unknown name may be as long as the body.
function describeShortly(error: ErrorObject): Omit<Fault, 'in'> {
  const fault = describe(error)
  return { ...fault, path: shorten(fault.path) }
}

function describe(error: ErrorObject): Omit<Fault, 'in'> {
  const { keyword, instancePath, params, message } = error
  switch (keyword) {
    case 'required':
      return { path: `${instancePath}/${pointer(params.missingProperty)}`, code: 'required', message: 'is required' }
    case 'additionalProperties':
      return {
        path: `${instancePath}/${pointer(params.additionalProperty)}`,
        code: 'unknown',
        message: 'is not a field that can be sent here'
      }
    case 'enum':
      return {
        path: instancePath,
        code: 'enum',
        message: `must be one of ${params.allowedValues.map(String).join(', ')}`
      }
    case 'pattern':
      return { path: instancePath, code: keyword, message: params.pattern === NOT_BLANK ? BLANK : (message as string) }
    case 'type':
      return { path: instancePath, code: 'type', message: `must be ${[params.type].flat().join(' or ')}` }
    default:
      return { path: instancePath, code: keyword, message: message as string }
  }
}

const BLANK = 'must have more in it than blanks'

// The longest text for a slow `pattern`.
const MAX_MATCHED = 10_000

/**
 * A `pattern` with bounded time: one with repetitions may take the square of the text's length, and since all faults
 * are listed, it also runs on text that is already too long. Such a pattern does not match a longer text.
 */
function boundedPattern(pattern: string, flags: string): RegExp {
  const expression = new RegExp(pattern, flags)
  if (!/[*+{]/.test(pattern)) return expression
  return {
    test: (text: string) => text.length <= MAX_MATCHED && expression.test(text),
    toString: () => String(expression)
  } as RegExp
}
boundedPattern.code = 'boundedPattern'

function withVocabulary(ajv: Ajv): Ajv {
  addFormats.default(ajv, ['date', 'email', 'uri'])
  // ajv-formats also accepts `urn:uuid:…`, which PostgreSQL answers in another spelling.
  ajv.addFormat('uuid', /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i)
  ajv.addFormat('cidr', isNetwork)
  ajv.addFormat('date-time', { type: 'string', validate: isTimestamp })
  ajv.addFormat('iso-4217', { type: 'string', validate: (text: string) => CURRENCIES.has(text) })
  return ajv
}

const TIMESTAMP =
  /^(?!0000)(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-](0\d|1[0-4]):[0-5]\d)$/

// Answers are in UTC, where the year must have four digits too.
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z')
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z')

/** RFC 3339, without year 0000 and leap seconds, which PostgreSQL does not store as written. */
function isTimestamp(text: string): boolean {
  const parts = TIMESTAMP.exec(text)
  const ms = Date.parse(text)
  if (!parts || ms < FIRST_MS || ms > LAST_MS) return false
  const [, year, month, day] = parts.map(Number)
  // Day 0 of the next month is the last day of this one.
  const days = new Date(Date.UTC(2000, month as number, 0))
  days.setUTCFullYear(year as number, month as number, 0)
  return (
    (month as number) >= 1 && (month as number) <= 12 && (day as number) >= 1 && (day as number) <= days.getUTCDate()
  )
}
