import { ApiError } from '../errors.ts'

/** A question to the database on a connection of its own. */
export interface Probe {
  /** Settles when the database answers. */
  answer: PromiseLike<unknown>
  /** Ends its connection, whether it answered or not. */
  end(): unknown
}

interface Asked extends Probe {
  looks: number
  isOver: boolean
}

// Looks, not milliseconds: a late event loop is no silence, as looks that were missed are not made up for.
const SILENT_LOOKS = 10
const PATIENT_LOOKS = 5

/**
 * Notices that the database is away. A statement that is slow looks the same as one that nobody will answer, so when
 * nothing was answered for ten looks the database is asked on a new connection: it is away when that does not work
 * within five. Then all who wait are refused, as are those who come, until it answers again.
 */
export class SilenceWatch {
  readonly #ask: () => Probe
  readonly #onSilent: () => void
  readonly #lookMs: number
  readonly #waiting = new Set<(error: ApiError) => void>()
  #timer: NodeJS.Timeout | undefined
  #asked: Asked | undefined
  #silentLooks = 0
  #isAway = false

  /**
   * @param onSilent told when the database is away.
   * @param lookMs between two looks; undefined for never.
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

  /** What an answer comes to, unless the database goes away before. */
  during<T>(answer: PromiseLike<T>): PromiseLike<T> {
    if (this.#lookMs === Number.POSITIVE_INFINITY) return answer
    return new Promise((resolve, reject) => {
      if (this.#isAway) reject(away())
      else this.#add(reject)
      answer.then(
        (value) => {
          this.#waiting.delete(reject)
          this.#silentLooks = 0
          resolve(value)
        },
        (error) => {
          this.#waiting.delete(reject)
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

  #add(reject: (error: ApiError) => void): void {
    if (this.#waiting.size === 0) this.#silentLooks = 0
    this.#waiting.add(reject)
    this.#timer ??= setInterval(() => this.#look(), this.#lookMs).unref()
  }

  #look(): void {
    if (this.#waiting.size === 0 && !this.#isAway) {
      this.close()
      return
    }
    this.#silentLooks += 1
    const asked = this.#asked
    if (asked) {
      asked.looks += 1
      if (asked.looks >= PATIENT_LOOKS) this.#conclude(asked, false)
    } else if (this.#isAway || this.#silentLooks >= SILENT_LOOKS) this.#begin()
  }

  #begin(): void {
    const asked = { ...this.#ask(), looks: 0, isOver: false }
    this.#asked = asked
    asked.answer.then(
      () => this.#conclude(asked, true),
      // Such as having no connection left is an answer; starting up or shutting down is not.
      ({ severity, code }) => this.#conclude(asked, severity !== undefined && !code.startsWith('57P'))
    )
  }

  #conclude(asked: Asked, isThere: boolean): void {
    if (asked.isOver) return
    this.#finish(asked)
    if (isThere) {
      this.#isAway = false
      this.#silentLooks = 0
    } else if (!this.#isAway && this.#silentLooks >= SILENT_LOOKS) {
      this.#isAway = true
      for (const refuse of this.#waiting) refuse(away())
      this.#waiting.clear()
      this.#onSilent()
    }
  }

  #finish(asked: Asked): void {
    asked.isOver = true
    this.#asked = undefined
    asked.end()
  }
}

const away = () =>
  new ApiError('UNAVAILABLE', 'The database does not answer at the moment.', { headers: { 'retry-after': '1' } })
