/**
 * The number of tasks that end per millisecond while others wait: the capacity, not the demand. By Little's law it
 * gives the time that a new task in the queue will wait.
 */
export class CompletionRate {
  #perMs = 0
  #ended = 0
  #wasBusy = false

  /** Counts a task that ended. */
  end(): void {
    this.#ended += 1
  }

  /**
   * Adds the tasks that ended since the last sample.
   * @param ms since then.
   * @param isBusy whether tasks wait now. Two samples in a row must be busy: an interval without a queue does not show
   * the full speed.
   */
  sample(ms: number, isBusy: boolean): void {
    const perMs = this.#ended / ms
    this.#ended = 0
    if (this.#wasBusy && isBusy) this.#perMs = this.#perMs === 0 ? perMs : this.#perMs + (perMs - this.#perMs) / 5
    this.#wasBusy = isBusy
  }

  /** The predicted wait of a task behind `ahead` others, in milliseconds; 0 while the rate is not known. */
  waitMs(ahead: number): number {
    return this.#perMs > 0 ? ahead / this.#perMs : 0
  }
}
