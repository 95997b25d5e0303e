import type { Readable } from 'node:stream'
import { ApiError } from '../../errors.ts'
import { parseJson } from '../../schema/json/parse.ts'
import type { Pause } from '../../schema/json/slices.ts'
import { type Line, type Lines, MAX_LINE_BYTES } from './lines.ts'

const NEWLINE = 0x0a

/**
 * Reads one JSON value from each line. Empty lines are passed over; one that cannot be read fails by itself.
 * @param maxValues the most values of a line. @param pause lets others have their turn: a part of the body can have
 * thirty thousand lines.
 */
export async function* readNdjson(stream: Readable, maxValues: number, pause: Pause): Lines {
  let line = 0
  let parts: Buffer[] = []
  let kept = 0
  // A line that is too long is counted and not kept, so that it cannot fill the memory.
  const keep = (part: Buffer) => {
    kept += part.length
    if (kept <= MAX_LINE_BYTES) parts.push(part)
    else parts = []
  }
  const take = (lines: Line[]) => {
    line += 1
    const bytes = kept
    const text = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    parts = []
    kept = 0
    if (bytes > MAX_LINE_BYTES) lines.push({ line, bytes, error: new ApiError('PAYLOAD_TOO_LARGE', TOO_LONG) })
    else if (!isBlank(text)) lines.push(parse(text, line, maxValues))
  }
  // Leaving early must not end the connection: the answer that says why is still to be sent.
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    const lines: Line[] = []
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      keep(chunk.subarray(start, end))
      take(lines)
      start = end + 1
      await pause()
    }
    if (start < chunk.length) keep(chunk.subarray(start))
    yield lines
  }
  const last: Line[] = []
  if (kept > 0) take(last)
  yield last
}

const TOO_LONG = `The line is longer than ${MAX_LINE_BYTES} bytes.`

function parse(text: Buffer, line: number, maxValues: number): Line {
  try {
    return { line, bytes: text.length, body: parseJson(text, maxValues) }
  } catch (error) {
    return { line, bytes: text.length, error: error as ApiError }
  }
}

// A line of spaces, or of the carriage return that some systems put before each newline.
const isBlank = (text: Buffer) => text.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09)
