import { runDetached } from '#src/concurrency/request-scope.ts'
import type { EventLog, EventsAfter, RecordedEvent, StoredEvent } from './log.ts'
import type { EventNews } from './news.ts'

const PAGE = 100
// Of the stored rows, with a share for the rest: some thousand events, if they are small.
const MAX_CHARACTERS = 4_000_000
const CHARACTERS_EACH = 1000
const RETRY_MS = 1000

interface Page {
  after: number
  upTo: number
  rows: StoredEvent[]
  characters: number
  /** Made when the first reader needs one of them. */
  events?: Promise<RecordedEvent[]>
}

interface Memory {
  /** Each begins where the one before ends. */
  pages: Page[]
  characters: number
  /** Up to here all events were read; undefined before the first look. */
  upTo: number | undefined
}

/**
 * The newest events, in memory: when something happens the database is asked once, and not once for each stream. It reads
 * only while there are streams.
 */
export class EventTail {
  readonly #log: EventLog
  readonly #news: EventNews
  readonly #onMore: () => void
  readonly #onFailure: (error: unknown) => void
  #memory: Memory | undefined
  #following: Promise<() => void> | undefined
  #isBehind = false
  #isReading = false
  #timer: NodeJS.Timeout | undefined

  /**
   * @param onMore called when it has come further.
   * @param onFailure called when the database cannot be read: it tries again every second.
   */
  constructor(log: EventLog, news: EventNews, onMore: () => void, onFailure: (error: unknown) => void) {
    this.#log = log
    this.#news = news
    this.#onMore = onMore
    this.#onFailure = onFailure
  }

  /** Begins to read what happens from now on. */
  start(): void {
    this.#memory = { pages: [], characters: 0, upTo: undefined }
    this.#following = this.#news.follow(() => this.#look())
    runDetached(() => this.#look())
  }

  /** Reads no more, and forgets what it read. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#memory = undefined
    const unfollow = await this.#following
    unfollow?.()
  }

  /**
   * The next events after a place that a reader wants, of one page at most; undefined when the place is older than what is
   * kept.
   */
  async read(after: number, isWanted: (event: StoredEvent) => boolean): Promise<EventsAfter | undefined> {
    if (this.#memory?.upTo === undefined) return undefined
    const { pages, upTo } = this.#memory
    if (after >= upTo) return { events: [], upTo: after, hasMore: false }
    const first = pages.findLastIndex((page) => page.after <= after)
    if (first < 0) return undefined
    for (const page of pages.slice(first)) {
      const wanted = page.rows.flatMap((row, index) => (row.position > after && isWanted(row) ? [index] : []))
      if (wanted.length === 0) continue
      const events = await this.#render(page)
      return {
        events: wanted.map((index) => events[index] as RecordedEvent),
        upTo: page.upTo,
        hasMore: page.upTo < upTo
      }
    }
    return { events: [], upTo, hasMore: false }
  }

  async #render(page: Page): Promise<RecordedEvent[]> {
    page.events ??= runDetached(() => this.#log.render(page.rows))
    try {
      return await page.events
    } catch (error) {
      delete page.events
      throw error
    }
  }

  // One at a time: what is told meanwhile is read by the one that runs.
  async #look(): Promise<void> {
    this.#isBehind = true
    if (this.#isReading) return
    this.#isReading = true
    try {
      while (this.#isBehind && this.#memory) {
        this.#isBehind = false
        await this.#advance(this.#memory)
      }
    } catch (error) {
      this.#onFailure(error)
      this.#timer = setTimeout(() => this.#look(), RETRY_MS).unref()
    }
    this.#isReading = false
  }

  async #advance(memory: Memory): Promise<void> {
    if (memory.upTo === undefined) {
      memory.upTo = await this.#log.lastPosition()
      return this.#onMore()
    }
    const rows = await this.#log.stored(memory.upTo, PAGE)
    const last = rows.at(-1)
    if (!last) return
    const characters = rows.reduce((sum, { stored }) => sum + stored.length + CHARACTERS_EACH, 0)
    memory.pages.push({ after: memory.upTo, upTo: last.position, rows, characters })
    memory.characters += characters
    memory.upTo = last.position
    while (memory.characters > MAX_CHARACTERS && memory.pages.length > 1) {
      memory.characters -= (memory.pages.shift() as Page).characters
    }
    if (rows.length === PAGE) this.#isBehind = true
    this.#onMore()
  }
}
