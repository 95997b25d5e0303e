import { isUtf8 } from 'node:buffer'
import parseSecurely from 'secure-json-parse'
import { ApiError, type Fault, validationFailed } from '../errors.ts'
import { isCleanText } from './coerce.ts'
import { pointer } from './pointer.ts'

const MAX_DEPTH = 64
const MAX_FAULTS = 100

/**
 * Parses a JSON body strictly.
 * @throws ApiError 400 for broken UTF-8, broken JSON and `__proto__`; 422 for text that no database can store (NUL, lone
 * surrogates), integers that a double cannot hold, and nesting deeper than 64 levels.
 */
export function parseJson(body: Buffer): unknown {
  // Decoding would turn broken bytes into U+FFFD without a word.
  if (!isUtf8(body)) throw new ApiError('INVALID_JSON', 'The body is not valid UTF-8.')
  const text = body.toString('utf8')
  let value: unknown
  try {
    value = parseSecurely.parse(text)
  } catch (cause) {
    throw new ApiError('INVALID_JSON', `The body is not valid JSON: ${(cause as Error).message}.`, { cause })
  }
  if (typeof value === 'object' && value !== null) {
    const faults = inspect(value, text.includes('\\u'))
    if (faults.length > 0) throw validationFailed(faults)
  }
  return value
}

// A bad string can only be written with an escape, since raw NULs are not JSON and the bytes were valid UTF-8.
function inspect(root: object, mayHaveBadText: boolean): Fault[] {
  const faults: Fault[] = []
  const pending: { value: object; path: string; depth: number }[] = [{ value: root, path: '', depth: 1 }]
  const refuse = (path: string, code: string, message: string) => faults.push({ in: 'body', path, code, message })
  for (let next = pending.pop(); next && faults.length < MAX_FAULTS; next = pending.pop()) {
    if (next.depth > MAX_DEPTH) {
      refuse(next.path.slice(0, 200), 'depth', `must not be nested deeper than ${MAX_DEPTH} levels`)
      break
    }
    for (const [name, value] of Object.entries(next.value)) {
      if (faults.length === MAX_FAULTS) break
      const path = () => `${(next as { path: string }).path}/${pointer(name)}`
      if (mayHaveBadText && !isCleanText(name))
        refuse(next.path, 'text', 'must not have NUL or lone surrogates in a name')
      else if (typeof value === 'object' && value !== null) pending.push({ value, path: path(), depth: next.depth + 1 })
      else if (mayHaveBadText && typeof value === 'string' && !isCleanText(value)) {
        refuse(path(), 'text', 'must not contain NUL or lone surrogates')
      } else if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
        refuse(path(), 'integer', 'must be within ±(2^53−1), beyond which numbers lose digits')
      }
    }
  }
  return faults
}
