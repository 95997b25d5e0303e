import { runDetached } from '#src/concurrency/request-scope.ts'
import type { Listen } from '#src/db/database.ts'
import { OnDemandListener } from '#src/db/notifications/on-demand-listener.ts'
import { ApiError } from '#src/errors.ts'
import type { Principal } from '#src/identity/principal.ts'
import { CHANNEL } from '#src/identity/requests/identity-changes.ts'
import { Bell } from './bell.ts'
import type { EventLog } from './log.ts'
import type { EventNews } from './news.ts'
import { EventTail } from './tail.ts'

/** How many streams a process has. Each holds a connection. */
export const MAX_STREAMS = { ofUser: 10, all: 1000 }
const RETRY_SECONDS = 30
const DEAF_MS = 5000
// What a reader that takes nothing may hold up a server that stops.
const FAREWELL_MS = 1000

/** A stream that is open. */
export class OpenStream {
  readonly bell = new Bell()
  principal: Principal
  /** Whether the rights of its caller may have changed. */
  mustCheck = false
  /** Ends its connection. */
  readonly cut: () => void
  #endedBy: string | undefined

  constructor(principal: Principal, cut: () => void) {
    this.principal = principal
    this.cut = cut
  }

  /** Why it ends; undefined while it goes on. */
  get endedBy(): string | undefined {
    return this.#endedBy
  }

  /** Ends it. */
  end(reason: string): void {
    this.#endedBy ??= reason
    this.bell.ring()
  }

  /** For how long its credential is valid, by itself, in milliseconds. */
  validMs(): number {
    return (this.principal.expiresAt ?? Infinity) - Date.now()
  }

  /** Looks at the rights of its caller again. */
  check(): void {
    this.mustCheck = true
    this.bell.ring()
  }
}

/** What the streams of a process share. */
interface StreamsParts {
  log: EventLog
  news: EventNews
  listen: Listen
  /** Settles when changes of rights until now are applied. */
  catchUp: () => Promise<void>
  onFailure: (error: unknown) => void
}

/**
 * The streams that this process has open: a bounded number. They end when the rights of their callers do, also while
 * nothing happens, and when the process stops.
 */
export class EventStreams {
  readonly tail: EventTail
  readonly #open = new Set<OpenStream>()
  readonly #catchUp: () => Promise<void>
  readonly #rights: OnDemandListener
  #isClosed = false

  constructor({ log, news, listen, catchUp, onFailure }: StreamsParts) {
    this.tail = new EventTail(log, news, () => this.#ringAll(), onFailure)
    this.#catchUp = catchUp
    const checkAll = () => this.#check([...this.#open])
    // What was told while nothing was heard is looked up when it hears again.
    this.#rights = new OnDemandListener(() => listen(CHANNEL, (text) => this.#hear(text), checkAll), checkAll, DEAF_MS)
  }

  /** How many are open. */
  get count(): number {
    return this.#open.size
  }

  /**
   * Begins a stream of a caller, until it is released.
   * @param cut ends its connection.
   * @throws ApiError TOO_MANY_REQUESTS or OVERLOADED beyond `MAX_STREAMS`, UNAVAILABLE when the process stops.
   */
  begin(principal: Principal, cut: () => void): OpenStream {
    if (this.#isClosed) throw new ApiError('UNAVAILABLE')
    const own = [...this.#open].filter((one) => one.principal.userId === principal.userId).length
    if (own >= MAX_STREAMS.ofUser) {
      const message = `The user has ${own} streams of events already.`
      throw new ApiError('TOO_MANY_REQUESTS', message, { retryAfter: RETRY_SECONDS })
    }
    if (this.#open.size >= MAX_STREAMS.all) {
      throw new ApiError('OVERLOADED', 'There are too many streams of events.', { retryAfter: RETRY_SECONDS })
    }
    const stream = new OpenStream(principal, cut)
    this.#open.add(stream)
    if (this.#open.size === 1) {
      this.tail.start()
      void this.#rights.hold()
    }
    return stream
  }

  /** Says that the reader of a stream has gone. */
  release(stream: OpenStream): void {
    stream.end('the reader has gone')
    if (!this.#open.delete(stream) || this.#open.size > 0) return
    void this.tail.stop()
    this.#rights.release()
  }

  /** Ends all streams, so that their readers go to another instance. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const stream of this.#open) stream.end('the server stops')
    setTimeout(() => {
      for (const stream of this.#open) stream.cut()
    }, FAREWELL_MS).unref()
    await Promise.all([this.tail.stop(), this.#rights.close()])
  }

  #ringAll(): void {
    for (const { bell } of this.#open) bell.ring()
  }

  #hear(text: string): void {
    this.#check([...this.#open].filter(({ principal }) => concerns(text, principal)))
  }

  // The notification may be here before the one by which this process drops what it knows.
  async #check(streams: OpenStream[]): Promise<void> {
    if (streams.length === 0) return
    await runDetached(this.#catchUp).catch(() => {})
    for (const stream of streams) stream.check()
  }
}

/** Whether a change of rights, as its trigger notifies it, is one of a principal. */
function concerns(text: string, { userId, role, sessionId, keyId }: Principal): boolean {
  const [kind, id] = text.split(/:(.*)/, 2)
  switch (kind) {
    case 'user':
      return id === userId
    case 'role':
      return id === role
    case 'session':
      return id === sessionId
    case 'key':
      return id === keyId
    default:
      // A token, by an id that a principal does not have.
      return kind === 'token'
  }
}
