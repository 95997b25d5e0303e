import { type Placed, SwapRemoveList } from '#src/concurrency/swap-remove-list.ts'
import { ApiError } from '#src/errors.ts'

/** A question to the database on a connection of its own. */
export interface Probe {
  /** Settles when the database has answered. */
  answer: PromiseLike<unknown>
  /** Whether some of its answer has come. */
  hasBegun(): boolean
  /** Ends its connection, whether it answered or not. */
  end(): unknown
}

interface Waiting extends Placed {
  reject: (error: ApiError) => void
  /** The number of ticks before the statement began to wait. */
  since: number
}

interface Asked extends Probe {
  looks: number
  /** How many of them ago its answer was seen to come. */
  isTrickling: number
  isOver: boolean
}

// Counted in ticks, not milliseconds: ticks that a late event loop misses are not made up for, so they are no silence.
const SILENT_LOOKS = 10
const PATIENT_LOOKS = 5
// How long the probe may take to get the first part of its answer while other statements are answered.
const BUSY_LOOKS = 15
const TRICKLE_LOOKS = 3

/**
 * Detects that the database is unreachable, or too slow to be of use. A slow statement looks the same as one that will
 * never be answered, or one with an answer that trickles in. So when nothing was answered for ten ticks, or when one
 * statement waits for so long, the database is queried on a new connection. It counts as unreachable when nothing was
 * answered meanwhile and that query does not succeed within five ticks. It also does when a part of that answer came
 * and the rest, sent with it, does not come within three ticks: a slow server sends late, but what it sends arrives at
 * once. Then all waiting and all new statements are refused until the database answers again.
 */
export class LivenessProbe {
  readonly #ask: () => Probe
  readonly #onSilent: () => void
  readonly #lookMs: number
  readonly #waiting = new SwapRemoveList<Waiting>()
  #timer: NodeJS.Timeout | undefined
  #asked: Asked | undefined
  #looks = 0
  #silentLooks = 0
  /** The tick of the last probe. */
  #askedAt = 0
  #isAway = false

  /**
   * @param onSilent called when the database becomes unreachable.
   * @param lookMs the time between two ticks; undefined for no ticks.
   */
  constructor(ask: () => Probe, onSilent: () => void, lookMs = Number.POSITIVE_INFINITY) {
    this.#ask = ask
    this.#onSilent = onSilent
    this.#lookMs = lookMs
  }

  /** @throws ApiError UNAVAILABLE while the database is away. */
  check(): void {
    if (this.#isAway) throw away()
  }

  /** Settles as the answer does, unless the database becomes unreachable before. */
  during<T>(answer: PromiseLike<T>): PromiseLike<T> {
    if (this.#lookMs === Number.POSITIVE_INFINITY) return answer
    return new Promise((resolve, reject) => {
      const one: Waiting = { reject, since: this.#looks, place: -1 }
      if (this.#isAway) reject(away())
      else this.#add(one)
      answer.then(
        (value) => {
          this.#waiting.remove(one)
          this.#silentLooks = 0
          resolve(value)
        },
        (error) => {
          this.#waiting.remove(one)
          if (error.severity !== undefined) this.#silentLooks = 0
          reject(error)
        }
      )
    })
  }

  /** Looks no more. */
  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#isAway = false
    if (this.#asked) this.#finish(this.#asked)
  }

  #add(one: Waiting): void {
    if (this.#waiting.items.length === 0) this.#silentLooks = 0
    this.#waiting.add(one)
    this.#timer ??= setInterval(() => this.#look(), this.#lookMs).unref()
  }

  #look(): void {
    if (this.#waiting.items.length === 0 && !this.#isAway) {
      this.close()
      return
    }
    this.#looks += 1
    this.#silentLooks += 1
    if (this.#asked) this.#judge(this.#asked)
    else if (this.#isAway || this.#isSilent || this.#isSlow()) this.#begin()
  }

  get #isSilent(): boolean {
    return this.#silentLooks >= SILENT_LOOKS
  }

  // Whether a statement has waited for long and no probe was sent lately.
  #isSlow(): boolean {
    let oldest = this.#looks
    for (const { since } of this.#waiting.items) if (since < oldest) oldest = since
    return this.#looks - Math.max(oldest, this.#askedAt) >= SILENT_LOOKS
  }

  #judge(asked: Asked): void {
    asked.looks += 1
    if (asked.hasBegun()) asked.isTrickling += 1
    const patience = this.#isAway || this.#isSilent ? PATIENT_LOOKS : BUSY_LOOKS
    if (asked.isTrickling > TRICKLE_LOOKS) this.#conclude(asked, 'isTrickling')
    else if (asked.isTrickling === 0 && asked.looks >= patience) this.#conclude(asked, 'silent')
  }

  #begin(): void {
    const asked = { ...this.#ask(), looks: 0, isTrickling: 0, isOver: false }
    this.#asked = asked
    asked.answer.then(
      () => this.#conclude(asked, 'there'),
      // An error such as having no connection left is an answer; starting up or shutting down is not.
      ({ severity, code }) =>
        this.#conclude(asked, severity !== undefined && !code.startsWith('57P') ? 'there' : 'silent')
    )
  }

  #conclude(asked: Asked, found: 'there' | 'silent' | 'isTrickling'): void {
    if (asked.isOver) return
    this.#finish(asked)
    if (found === 'there') {
      this.#isAway = false
      this.#silentLooks = 0
    } else if (!this.#isAway && (found === 'isTrickling' || this.#isSilent)) {
      this.#isAway = true
      for (const one of [...this.#waiting.items]) {
        this.#waiting.remove(one)
        one.reject(away())
      }
      this.#onSilent()
    }
  }

  #finish(asked: Asked): void {
    asked.isOver = true
    this.#askedAt = this.#looks
    this.#asked = undefined
    asked.end()
  }
}

const away = () => new ApiError('UNAVAILABLE', 'The database does not answer at the moment.')
