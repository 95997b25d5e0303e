import type { Operation } from './call.ts'
import type { Client } from './client.ts'
import { ConnectionError, TimeoutError } from './errors.ts'
import type { CallOptions } from './exchange.ts'
import { pause } from './retry.ts'
import { linesOf, openStream } from './rows.ts'

/** An event, and the cursor to go on after it. */
export interface Followed<Data> {
  cursor: string
  event: Data
}

/** The options of a stream of events. */
export interface FollowOptions extends CallOptions {
  /** The cursor of the last event that you have; without one, events from now on. */
  after?: string | undefined
}

// The server says something every 15 s.
const SILENCE_MS = 45_000
const UNBOUNDED = Number.POSITIVE_INFINITY

/**
 * Follows events for as long as they are read: a connection that breaks off is opened again where it was, whatever the
 * number of attempts, so that each event comes once and in order. `signal` or `break` ends it.
 * @throws ApiError when the server refuses: `EVENTS_GONE` for a cursor older than what is kept.
 */
export async function* follow<Data>(
  client: Client,
  operation: Operation,
  options: FollowOptions = {}
): AsyncGenerator<Followed<Data>, void> {
  const { timeoutMs = SILENCE_MS, signal } = options
  let cursor = options.after
  let pauseMs = 2000
  for (;;) {
    const headers = { ...options.headers, ...(cursor !== undefined && { 'last-event-id': cursor }) }
    const patient = { signal, headers, timeoutMs, maxRetries: UNBOUNDED, deadlineMs: UNBOUNDED }
    try {
      const stream = await openStream(client, operation, 'text/event-stream', patient)
      for await (const { id, retryMs, data } of blocksIn(linesOf(stream))) {
        pauseMs = retryMs ?? pauseMs
        cursor = id ?? cursor
        if (data !== undefined) yield { cursor: cursor ?? '', event: JSON.parse(data) }
      }
    } catch (error) {
      if (!(error instanceof ConnectionError || error instanceof TimeoutError)) throw error
    }
    await pause(pauseMs * (0.5 + Math.random()), signal)
  }
}

/** What a block of lines says. */
interface Block {
  id?: string
  retryMs?: number
  data?: string
}

/** The blocks of a stream of events, as the HTML standard reads them (9.2.6). One that is cut off is none. */
export async function* blocksIn(lines: AsyncIterable<string>): AsyncGenerator<Block, void> {
  let block: Block = {}
  for await (const line of lines) {
    if (line === '') {
      yield block
      block = {}
      continue
    }
    const end = line.includes(':') ? line.indexOf(':') : line.length
    const [field, value] = [line.slice(0, end), line.slice(end + 1).replace(/^ /, '')]
    if (field === 'data') block.data = block.data === undefined ? value : `${block.data}\n${value}`
    else if (field === 'id' && !value.includes('\0')) block.id = value
    else if (field === 'retry' && /^\d+$/.test(value)) block.retryMs = Number(value)
  }
}
