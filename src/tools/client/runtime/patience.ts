import { TimeoutError } from './errors.ts'

/** How long an attempt may be silent, and whether its caller still wants it. */
export class Patience {
  readonly #controller = new AbortController()
  readonly #timeoutMs: number
  readonly #outer: AbortSignal | undefined
  readonly #stop = () => this.fail(this.#outer?.reason)
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param outer the signal of the caller. */
  constructor(timeoutMs: number, outer: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs
    this.#outer = outer
    if (outer?.aborted) this.#stop()
    else outer?.addEventListener('abort', this.#stop, { once: true })
    this.restart()
  }

  /** Ends the attempt at once. */
  readonly fail = (reason: unknown): void => this.#controller.abort(reason)

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Gives the whole time again. */
  restart(): void {
    this.rest()
    // `setTimeout` takes no longer time, and none at all for Infinity.
    if (this.#timeoutMs > 0x7fffffff) return
    this.#timer = setTimeout(() => this.fail(new TimeoutError(this.#timeoutMs)), this.#timeoutMs)
  }

  /** Stops the clock: the time of a slow reader is not that of the server. */
  rest(): void {
    clearTimeout(this.#timer)
  }

  /** Nothing is waited for any more. */
  end(): void {
    this.rest()
    this.#outer?.removeEventListener('abort', this.#stop)
  }
}
