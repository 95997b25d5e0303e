import { isUtf8 } from 'node:buffer'
import type { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { CsvError, parse } from 'csv-parse/sync'
import { ApiError, validationFailed } from '../../errors.ts'
import type { Pause } from '../../schema/json/slices.ts'
import type { Cell } from './csv.ts'
import { MAX_LINE_BYTES } from './lines.ts'

/** One record of a CSV: the line where it ends, from 1, and its cells or what is wrong with it. */
type CsvRecord = { line: number; bytes: number } & ({ cells: Cell[] } | { error: ApiError })

const [QUOTE, NEWLINE, RETURN] = [0x22, 0x0a, 0x0d]
const BOM = Buffer.from([0xef, 0xbb, 0xbf])
// About 30 µs each: so many hold the event loop for some 6 ms.
const RECORDS_PER_TURN = 200
// As much as is parsed before others may have their turn: short lines take 1 µs a byte.
const STEP = 8_192
// More than a table of PostgreSQL has columns. A line of commas alone would be a million cells.
const MAX_CELLS = 2_000

/**
 * Reads the records of a CSV (RFC 4180) as they come. A line that is not CSV is refused by itself, whatever is wrong with
 * it; a quote that is never closed costs the line that opens it, and not those that it would swallow.
 */
export async function* readRecords(stream: Readable, pause: Pause): AsyncIterable<CsvRecord[]> {
  const splitter = new RecordSplitter()
  // Leaving early must not end the connection: the answer that says why is still to be sent.
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    for (let from = 0; from < chunk.length; from += STEP) {
      await pause()
      yield* splitter.take(chunk.subarray(from, from + STEP))
    }
  }
  yield* splitter.end()
}

class RecordSplitter {
  #lines = 0
  #newline: number | undefined
  /** What has come and is in no record yet: the beginning of a line, or lines inside a quoted cell. */
  #parts: Buffer[] = []
  #bytes = 0
  /** Whether they end inside a quoted cell, if every quote is in its place. */
  #isQuoted = false
  /** Whether what comes next belongs to a line that was refused before its end came. */
  #isRefused = false

  async *take(piece: Buffer): AsyncIterable<CsvRecord[]> {
    // A file of an old Macintosh ends its lines with a carriage return.
    if (this.#newline === undefined && /[\r\n]./s.test(piece.toString('latin1')))
      this.#newline = piece.includes(NEWLINE) ? NEWLINE : RETURN
    const chunk = this.#isRefused ? this.#afterRefused(piece) : piece
    const boundary = this.#lastBoundary(chunk)
    const whole = boundary > 0 ? this.#bytes + boundary : 0
    this.#parts.push(chunk)
    this.#bytes += chunk.length
    if (whole > 0 || this.#bytes > MAX_LINE_BYTES) yield* this.#split(whole, false)
  }

  #afterRefused(piece: Buffer): Buffer {
    const end = this.#lineEnd(piece, 0)
    this.#isRefused = piece[end - 1] !== (this.#newline ?? NEWLINE)
    return piece.subarray(end)
  }

  end(): AsyncIterable<CsvRecord[]> {
    return this.#split(this.#bytes, true)
  }

  async *#split(whole: number, isEnd: boolean): AsyncIterable<CsvRecord[]> {
    const block = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts)
    const start = this.#lines === 0 && block.subarray(0, 3).equals(BOM) ? 3 : 0
    const records = whole > start ? this.#parse(block.subarray(start, whole)) : []
    let rest = block.subarray(Math.max(start, whole))
    if (!(records instanceof ApiError)) yield records
    if (records instanceof ApiError || rest.length > MAX_LINE_BYTES) {
      rest = yield* this.#oneByOne(records instanceof ApiError ? block.subarray(start) : rest, isEnd)
      this.#isQuoted = false
      this.#lastBoundary(rest)
    }
    this.#parts = rest.length > 0 ? [rest] : []
    this.#bytes = rest.length
  }

  // Where the last line of a chunk ends that is not inside a quoted cell, if every quote before it is in its place. Each
  // byte is walked over once: a search from each quote, or over all that has come, would take time by the square.
  #lastBoundary(chunk: Buffer): number {
    const newline = this.#newline ?? NEWLINE
    let [boundary, isQuoted] = [0, this.#isQuoted]
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at]
      if (byte === QUOTE) isQuoted = !isQuoted
      else if (byte === newline && !isQuoted) boundary = at + 1
    }
    this.#isQuoted = isQuoted
    return boundary
  }

  // A block with something wrong in it: record by record, each as far as the quotes say, and where that is no record its
  // first line is refused and reading goes on at the next.
  async *#oneByOne(block: Buffer, isEnd: boolean): AsyncGenerator<CsvRecord[], Buffer> {
    let records: CsvRecord[] = []
    let start = 0
    while (start < block.length) {
      const { end, isClosed } = this.#recordEnd(block, start, isEnd)
      if (!isClosed && !isEnd && end - start <= MAX_LINE_BYTES) break
      const read = isClosed ? this.#parse(block.subarray(start, end)) : notClosed()
      if (read instanceof ApiError) {
        const after = this.#lineEnd(block, start)
        this.#lines += 1
        records.push({ line: this.#lines, bytes: after - start, error: read })
        start = after
        this.#isRefused = block[after - 1] !== (this.#newline ?? NEWLINE)
      } else {
        records.push(...read)
        start = end
      }
      if (records.length < RECORDS_PER_TURN) continue
      yield records
      records = []
      await nextTurn()
    }
    yield records
    return block.subarray(start)
  }

  #recordEnd(block: Buffer, start: number, isEnd: boolean): { end: number; isClosed: boolean } {
    let end = start
    let isQuoted = false
    do {
      const next = this.#lineEnd(block, end)
      for (let at = end; at < next; at += 1) if (block[at] === QUOTE) isQuoted = !isQuoted
      end = next
    } while (isQuoted && end < block.length && end - start <= MAX_LINE_BYTES)
    const isWhole = block[end - 1] === (this.#newline ?? NEWLINE)
    return { end, isClosed: !isQuoted && (isWhole || isEnd) && end - start <= MAX_LINE_BYTES }
  }

  #lineEnd(block: Buffer, start: number): number {
    const newline = block.indexOf(this.#newline ?? NEWLINE, start)
    return newline === -1 ? block.length : newline + 1
  }

  #parse(text: Buffer): CsvRecord[] | ApiError {
    if (!isUtf8(text)) return refuse('is not valid UTF-8')
    try {
      const parsed = parse(text, OPTIONS) as unknown as { record: Cell[]; info: { lines: number; bytes: number } }[]
      let bytes = 0
      const records = parsed.map(({ record, info }) => {
        const one = { line: this.#lines + info.lines, bytes: info.bytes - bytes, cells: record }
        bytes = info.bytes
        return one
      })
      this.#lines += count(text, this.#newline ?? NEWLINE)
      return records
    } catch (error) {
      if (error instanceof CsvError)
        return refuse('is not CSV: a quote inside a cell is written twice, in a quoted cell')
      /* c8 ignore next -- a fault of the parser itself fails the import */
      if (!(error instanceof ApiError)) throw error
      return error
    }
  }
}

const OPTIONS = {
  info: true,
  relax_column_count: true,
  skip_empty_lines: true,
  record_delimiter: ['\r\n', '\n', '\r'],
  cast(text: string, { quoting, index }: { quoting: boolean; index: number }): Cell {
    if (index >= MAX_CELLS) throw refuse(`has more than ${MAX_CELLS} cells`)
    return { text, isQuoted: quoting }
  }
}

const refuse = (message: string) => validationFailed([{ in: 'body', path: '', code: 'csv', message }])
const notClosed = () => refuse(`has a quote that is not closed within ${MAX_LINE_BYTES} bytes`)

function count(text: Buffer, byte: number): number {
  let found = 0
  for (let at = text.indexOf(byte); at !== -1; at = text.indexOf(byte, at + 1)) found += 1
  return found
}
