/** Wakes the one that waits. A ring that comes while nothing waits is kept. */
export class Bell {
  #isRung = false
  #answer: (() => void) | undefined

  /** Ends the wait, or the next one. */
  ring(): void {
    this.#isRung = true
    this.#answer?.()
  }

  /** Settles at the next ring, or when the time is over. */
  async wait(ms: number): Promise<void> {
    if (!this.#isRung) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, ms).unref()
      this.#answer = resolve
      await promise
      clearTimeout(timer)
      this.#answer = undefined
    }
    this.#isRung = false
  }
}
