import { isUtf8 } from 'node:buffer'
import parseSecurely from 'secure-json-parse'
import { ApiError, type Fault, validationFailed } from '../../errors.ts'
import type { Step } from '../pointer.ts'
import { countMembers, findRepeated, inspect } from './inspect.ts'
import { emptyScan, type Scan, scanValue } from './scan.ts'

const MAX_DEPTH = 64

/** The most values of a body without a known schema. */
const DEFAULT_MAX_VALUES = 10_000

/**
 * Parses a JSON body strictly. One pass over the bytes comes first: it counts the values, which bounds the cost of
 * parsing, and finds out whether the other checks are needed.
 * @throws ApiError 400 for broken UTF-8, broken JSON and `__proto__`; 422 for text that no database can store (NUL,
 * lone surrogates), numbers that a double cannot hold, a repeated name, nesting deeper than 64 levels, and more values
 * than the schema of the body could need.
 */
export function parseJson(body: Buffer, maxValues = DEFAULT_MAX_VALUES): unknown {
  const scan = emptyScan()
  scanValue(body, start(body), body.length, scan, maxValues)
  const faults: Fault[] = []
  const value = parseScanned(body, scan, maxValues, [], faults)
  if (faults.length > 0) throw validationFailed(faults)
  return value
}

/** The start of a body's text, after a byte order mark, which RFC 8259 (section 8.1) allows to ignore. */
export const start = (body: Buffer) => (body[0] === 0xef ? 3 : 0)

/**
 * Parses bytes after their scan.
 * @param steps the place in the body.
 * @param faults receives the faults of the value, at most 100.
 * @throws ApiError INVALID_JSON; VALIDATION_FAILED when it is nested too deep or has too many values.
 */
export function parseScanned(bytes: Buffer, scan: Scan, maxValues: number, steps: Step[], faults: Fault[]): unknown {
  if (scan.depth + steps.length > MAX_DEPTH) throw tooDeep()
  if (scan.values > maxValues) throw tooManyValues(maxValues)
  // Decoding would silently turn broken bytes into U+FFFD.
  if (!isUtf8(bytes)) throw new ApiError('INVALID_JSON', 'The body is not valid UTF-8.')
  const text = bytes.toString('utf8')
  const value = parseText(text)
  if (scan.members > 1 && countMembers(value) < scan.members) findRepeated(text, steps, faults)
  if (scan.mayHaveBadText || scan.mayHaveBigNumber) inspect(value, steps, faults)
  return value
}

function parseText(text: string): unknown {
  try {
    return parseSecurely.parse(text)
  } catch (cause) {
    throw new ApiError('INVALID_JSON', `The body is not valid JSON: ${(cause as Error).message}.`, { cause })
  }
}

/** The refusal of a body with too many values. */
export function tooManyValues(maxValues: number): ApiError {
  const message = `must not have more than ${maxValues} values`
  return validationFailed([{ in: 'body', path: '', code: 'maxValues', message }])
}

function tooDeep(): ApiError {
  const message = `must not be nested deeper than ${MAX_DEPTH} levels`
  return validationFailed([{ in: 'body', path: '', code: 'depth', message }])
}
