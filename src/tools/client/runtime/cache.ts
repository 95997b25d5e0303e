/** An answer that was given before, with the tag by which the server knows whether it still holds. */
export interface CachedAnswer {
  etag: string
  text: string
  status: number
  headers: Headers
}

/** The answers that were used last, bounded in number and size. */
export class AnswerCache {
  readonly #answers = new Map<string, CachedAnswer>()
  readonly #maxAnswers: number
  readonly #maxLength: number
  #length = 0

  /** @param maxLength of all texts together, in UTF-16 units. */
  constructor(maxAnswers: number, maxLength: number) {
    this.#maxAnswers = maxAnswers
    this.#maxLength = maxLength
  }

  find(url: string): CachedAnswer | undefined {
    const found = this.#answers.get(url)
    if (found) {
      this.#answers.delete(url)
      this.#answers.set(url, found)
    }
    return found
  }

  keep(url: string, answer: CachedAnswer): void {
    this.#drop(url)
    // One answer that is a large part of the whole would push out everything else.
    if (answer.text.length > this.#maxLength / 4) return
    this.#answers.set(url, answer)
    this.#length += answer.text.length
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= this.#maxAnswers && this.#length <= this.#maxLength) break
      this.#drop(oldest)
    }
  }

  #drop(url: string): void {
    this.#length -= this.#answers.get(url)?.text.length ?? 0
    this.#answers.delete(url)
  }
}
