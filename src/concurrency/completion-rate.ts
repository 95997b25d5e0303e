/**
 * How many tasks end in a millisecond while others wait for their turn: what can be done, not what is asked for.
 * With it Little's law tells how long a task that joins a queue will wait.
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
   * Takes in what ended since the last sample.
   * @param ms since then.
   * @param isBusy whether tasks wait now. Two samples in a row must be busy: an interval without a queue does not show how
   * fast it can go.
   */
  sample(ms: number, isBusy: boolean): void {
    const perMs = this.#ended / ms
    this.#ended = 0
    if (this.#wasBusy && isBusy) this.#perMs = this.#perMs === 0 ? perMs : this.#perMs + (perMs - this.#perMs) / 5
    this.#wasBusy = isBusy
  }

  /** How long a task behind so many others will wait, in milliseconds; 0 while that is not known. */
  waitMs(ahead: number): number {
    return this.#perMs > 0 ? ahead / this.#perMs : 0
  }
}
