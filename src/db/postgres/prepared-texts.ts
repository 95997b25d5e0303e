import { LRUCache } from 'lru-cache'

/** How long a connection lives, at most: it ends with its next idle moment then, and its prepared statements with it. */
export const CONNECTION_SECONDS = 1_800

// A prepared statement takes 25 kB of each connection (measured for lists of 260 characters), so these are 25 MB.
const MOST = 1_000
const MOST_CHARACTERS = 400_000
// A transaction that runs when the time of its connection is over ends first.
const REUSE_MS = (CONNECTION_SECONDS + 120) * 1000
const LOOK_MS = 1000

/** How many statements are prepared, and how long their texts are together. */
interface Bounds {
  most: number
  characters: number
}

/**
 * Chooses the statements that are prepared. postgres.js keeps a prepared statement for as long as its connection lives, and
 * cannot close one. Callers make texts by choosing filters, as many as they like. So a text is prepared from its second use
 * on, and only as many are as there are places. A place is free again when no connection that used its text can be there
 * any more. All other statements are planned at each use.
 */
export class PreparedTexts {
  readonly #bounds: Bounds
  readonly #usedAt = new Map<string, { ms: number }>()
  readonly #seenOnce: LRUCache<string, true>
  #characters = 0
  #lookedAt = 0

  constructor(bounds: Bounds = { most: MOST, characters: MOST_CHARACTERS }) {
    this.#bounds = bounds
    this.#seenOnce = new LRUCache({
      max: bounds.most,
      maxSize: bounds.characters,
      sizeCalculation: (_, { length }) => length + 1
    })
  }

  get size(): number {
    return this.#usedAt.size
  }

  /** Whether a statement is to be prepared. @param now in milliseconds. */
  isPrepared(text: string, now = performance.now()): boolean {
    const used = this.#usedAt.get(text)
    if (used) {
      used.ms = now
      return true
    }
    if (!this.#seenOnce.has(text)) {
      this.#seenOnce.set(text, true)
      return false
    }
    if (!this.#hasPlace(text, now)) return false
    this.#seenOnce.delete(text)
    this.#usedAt.set(text, { ms: now })
    this.#characters += text.length
    return true
  }

  #hasPlace({ length }: string, now: number): boolean {
    const { most, characters } = this.#bounds
    const fits = () => this.#usedAt.size < most && this.#characters + length <= characters
    if (fits()) return true
    // A search at each statement would cost more than the places are worth.
    if (now - this.#lookedAt < LOOK_MS) return false
    this.#lookedAt = now
    for (const [text, { ms }] of this.#usedAt) {
      if (now - ms < REUSE_MS) continue
      this.#usedAt.delete(text)
      this.#characters -= text.length
    }
    return fits()
  }
}
