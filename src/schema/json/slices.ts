import { ApiError, type Fault, validationFailed } from '../../errors.ts'
import { type Step, toPointer } from '../pointer.ts'
import { MAX_FAULTS } from './inspect.ts'
import { parseScanned, start, tooManyValues } from './parse.ts'
import { emptyScan, scanValue } from './scan.ts'

// The body and the lists in it are read value by value; each value in them is parsed as a whole.
const LEVELS = 2

/** The largest value in a body that is read in slices: the limit of a single create's body. */
const MAX_SLICE_BYTES = 1_048_576

/** Gives a promise to wait for when other requests have waited long enough. */
export type Pause = () => Promise<void> | undefined

/**
 * Parses a large body as `parseJson` does, but value by value, so that other requests get a turn between two:
 * `JSON.parse` of any 16 MiB holds the event loop for a tenth of a second.
 * @throws ApiError as `parseJson`; 413 for a single value larger than 1 MiB.
 */
export async function parseJsonInSlices(body: Buffer, maxValues: number, pause: Pause): Promise<unknown> {
  const reader = new Reader(body, maxValues, pause)
  const value = await reader.read()
  if (reader.faults.length > 0) throw validationFailed(reader.faults)
  return value
}

const code = (character: string) => character.charCodeAt(0)
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = ['{', '}', '[', ']'].map(code)
const [QUOTE, COLON, COMMA] = ['"', ':', ','].map(code)
const [SPACE, TAB, RETURN, NEWLINE] = [' ', '\t', '\r', '\n'].map(code)
// Names that reach a prototype.
const FORBIDDEN = new Set(['__proto__', 'constructor'])

class Reader {
  readonly faults: Fault[] = []
  readonly #bytes: Buffer
  readonly #maxValues: number
  readonly #pause: Pause
  readonly #steps: Step[] = []
  #values = 0
  #at: number

  constructor(bytes: Buffer, maxValues: number, pause: Pause) {
    this.#bytes = bytes
    this.#maxValues = maxValues
    this.#pause = pause
    this.#at = start(bytes)
  }

  async read(): Promise<unknown> {
    const value = await this.#value(LEVELS)
    if (this.#next() !== undefined) throw this.#unexpected()
    return value
  }

  async #value(levels: number): Promise<unknown> {
    const byte = this.#next()
    if (levels > 0 && byte === OPEN_OBJECT) return this.#object(levels - 1)
    if (levels > 0 && byte === OPEN_LIST) return this.#list(levels - 1)
    const pause = this.#pause()
    if (pause) await pause
    return this.#slice()
  }

  async #object(levels: number): Promise<object> {
    const object: Record<string, unknown> = {}
    for (const _ of this.#elements(CLOSE_OBJECT)) {
      if (this.#next() !== QUOTE) throw this.#unexpected()
      const name = this.#slice() as string
      if (FORBIDDEN.has(name)) throw new ApiError('INVALID_JSON', `The body must not have the name ${name}.`)
      if (!this.#take(COLON)) throw this.#unexpected()
      this.#steps.push(name)
      if (Object.hasOwn(object, name)) this.#refuse('repeated', 'must not be sent twice')
      object[name] = await this.#value(levels)
      this.#steps.pop()
    }
    return object
  }

  async #list(levels: number): Promise<unknown[]> {
    const list: unknown[] = []
    for (const _ of this.#elements(CLOSE_LIST)) {
      this.#steps.push(list.length)
      list.push(await this.#value(levels))
      this.#steps.pop()
    }
    return list
  }

  // Steps from one element to the next, up to the closing mark.
  *#elements(close: number | undefined): Iterable<void> {
    this.#at += 1
    this.#count(1)
    if (this.#take(close)) return
    do yield
    while (this.#take(COMMA))
    if (!this.#take(close)) throw this.#unexpected()
  }

  #slice(): unknown {
    const from = this.#at
    const to = Math.min(this.#bytes.length, from + MAX_SLICE_BYTES + 1)
    const scan = emptyScan()
    const left = this.#maxValues - this.#values
    this.#at = scanValue(this.#bytes, from, to, scan, left)
    if (this.#at - from > MAX_SLICE_BYTES) throw tooLarge(this.#steps)
    this.#count(scan.values)
    return parseScanned(this.#bytes.subarray(from, this.#at), scan, this.#maxValues, this.#steps, this.faults)
  }

  #count(values: number): void {
    this.#values += values
    if (this.#values > this.#maxValues) throw tooManyValues(this.#maxValues)
  }

  /** The next byte that is no space. A lookup in a set would take ten times as long. */
  #next(): number | undefined {
    const bytes = this.#bytes
    let at = this.#at
    while (bytes[at] === SPACE || bytes[at] === NEWLINE || bytes[at] === RETURN || bytes[at] === TAB) at += 1
    if (at - this.#at > MAX_SLICE_BYTES) throw tooLarge(this.#steps)
    this.#at = at
    return bytes[at]
  }

  #take(byte: number | undefined): boolean {
    if (this.#next() !== byte) return false
    this.#at += 1
    return true
  }

  #refuse(fault: string, message: string): void {
    if (this.faults.length < MAX_FAULTS)
      this.faults.push({ in: 'body', path: toPointer(this.#steps), code: fault, message })
  }

  #unexpected(): ApiError {
    return new ApiError('INVALID_JSON', `The body is not valid JSON: it cannot be read at byte ${this.#at + 1}.`)
  }
}

function tooLarge(steps: Step[]): ApiError {
  const path = toPointer(steps)
  const message = `must not be larger than ${MAX_SLICE_BYTES} bytes`
  return new ApiError('PAYLOAD_TOO_LARGE', 'A value of the body is too large by itself.', {
    faults: [{ in: 'body', path, code: 'maxBytes', message }]
  })
}
