interface Sink {
  write(text: string): unknown
}

const SIZE = 65_536
const EVERY_MS = 100
// What a character of a JavaScript text takes at most in UTF-8.
const MAX_BYTES = 3

/**
 * Lines on their way to where they go, some hundred at a time: to hand each over by itself costs more than to make it.
 * Each is written out at once, into one buffer for all, so that nothing of it is left to be collected later. None waits for
 * longer than 100 ms.
 */
export class Lines {
  readonly #sink: Sink
  readonly #buffer = Buffer.allocUnsafeSlow(SIZE)
  #length = 0
  #timer: NodeJS.Timeout | undefined

  constructor(sink: Sink) {
    this.#sink = sink
  }

  /** Adds a line, with its end. */
  add(line: string): void {
    const most = MAX_BYTES * line.length
    if (this.#length + most > SIZE) this.flush()
    if (most > SIZE) {
      this.#sink.write(line)
      return
    }
    this.#length += this.#buffer.write(line, this.#length)
    this.#timer ??= setTimeout(() => this.flush(), EVERY_MS)
  }

  /** Hands over what is waiting. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#length > 0) this.#sink.write(this.#buffer.toString('utf8', 0, this.#length))
    this.#length = 0
  }
}
