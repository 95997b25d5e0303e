import { runDetached } from '#src/concurrency/request-scope.ts'
import { ApiError } from '#src/errors.ts'
import type { Principal } from '#src/identity/principal.ts'
import { type EventFilter, matchesType } from './filter.ts'
import type { EventLog, EventsAfter, RecordedEvent, StoredEvent } from './log.ts'
import type { OpenStream } from './streams.ts'
import type { EventTail } from './tail.ts'

/** How a stream goes, in milliseconds. */
interface StreamTimes {
  /** Between two comments that keep proxies from closing a silent connection. */
  heartbeatMs: number
  /** How long a reader may take for one piece. */
  slowMs: number
}

const TIMES: StreamTimes = { heartbeatMs: 15_000, slowMs: 30_000 }
const PAGE = 100

/** What a stream is made of. */
interface EventStream {
  open: OpenStream
  log: EventLog
  tail: EventTail
  filter: EventFilter
  /** The place of the last event that the reader has. */
  after: number
  /** The principal of the credential as it is now; undefined when that is not valid any more. */
  principalNow: () => Promise<Principal | undefined>
  /** The text by which a reader goes on after a place. */
  idOf: (position: number) => string
  /** Told what the database throws. The stream ends then, and its reader comes back. */
  onFailure: (error: unknown) => void
  times?: Partial<StreamTimes>
}

/**
 * The events after a place as Server-Sent Events, for as long as the reader stays and may read. The next piece is made when
 * the reader has taken the one before, so a slow reader costs the memory of one. A comment says why it ends.
 */
export async function* streamEvents(stream: EventStream): AsyncGenerator<string, void> {
  const { open, idOf } = stream
  const { heartbeatMs, slowMs } = { ...TIMES, ...stream.times }
  let { after } = stream
  let [sentAfter, sentAt] = [after, 0]
  let slow: NodeJS.Timeout | undefined
  const piece = (text: string) => {
    slow = setTimeout(open.cut, slowMs).unref()
    sentAfter = after
    sentAt = performance.now()
    return text
  }
  try {
    // By the first id a reader that is cut off before its first event goes on from here. Readers that were cut off together
    // come back one after the other.
    yield piece(`retry: ${Math.round(1000 + Math.random() * 2000)}\nid: ${idOf(after)}\n\n`)
    for (;;) {
      clearTimeout(slow)
      const { events, upTo, hasMore } = await readOn(stream, after)
      if (open.endedBy !== undefined) break
      after = upTo
      if (events.length > 0) yield piece(events.map((event) => formatEvent(event, idOf)).join(''))
      if (hasMore) continue
      const quietMs = sentAt + heartbeatMs - performance.now()
      if (quietMs > 0) await open.bell.wait(Math.min(quietMs, open.validMs()))
      // What the reader may not read is behind it, too: it does not have to be there when the reader comes back.
      else yield piece(after > sentAfter ? `id: ${idOf(after)}\n:\n\n` : ':\n\n')
      if (open.validMs() <= 0) open.end(INVALID)
    }
    yield piece(`: ${open.endedBy}\n\n`)
  } finally {
    clearTimeout(slow)
  }
}

const INVALID = 'the credential is not valid any more'

// Rights are looked at before events are given, and when they may have changed. That costs no statement while nothing happens.
async function readOn(stream: EventStream, after: number): Promise<EventsAfter> {
  const { open, log, tail, filter, principalNow, onFailure } = stream
  const isWanted = (event: StoredEvent) => matches(filter, event) && log.mayRead(open.principal, event)
  // From memory, or from the database where the reader is far behind.
  const read = async () =>
    (await tail.read(after, isWanted)) ?? (await runDetached(() => log.readAfter(open.principal, filter, after, PAGE)))
  try {
    const found = await read()
    if (found.events.length === 0 && !open.mustCheck) return found
    open.mustCheck = false
    const principal = await runDetached(principalNow)
    if (!principal) open.end(INVALID)
    if (!principal || principal === open.principal) return found
    open.principal = principal
    return await read()
  } catch (error) {
    const isGone = error instanceof ApiError && error.code === 'EVENTS_GONE'
    if (!isGone) onFailure(error)
    open.end(isGone ? 'events after this place are not kept any more' : 'the events cannot be read')
    return { events: [], upTo: after, hasMore: false }
  }
}

const matches = ({ types, subject }: EventFilter, event: StoredEvent) =>
  (subject === undefined || event.subject === subject) &&
  (types === undefined || types.some((pattern) => matchesType(event.type, pattern)))

const formatEvent = ({ position, type, text }: RecordedEvent, idOf: EventStream['idOf']) =>
  `id: ${idOf(position)}\nevent: ${type}\ndata: ${text}\n\n`
