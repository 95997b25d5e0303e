interface Sink {
  write(text: string): unknown
}

const SIZE = 65_536
const EVERY_MS = 100
// The most UTF-8 bytes of one unit of a JavaScript string.
const MAX_BYTES = 3

/**
 * Buffers log lines and hands over some hundred at a time: handing over a single line costs more than making it. Each
 * is encoded at once into one shared buffer, which leaves no garbage. No line waits longer than 100 ms.
 */
export class Lines {
  readonly #sink: Sink
  readonly #buffer = Buffer.allocUnsafeSlow(SIZE)
  #length = 0
  #timer: NodeJS.Timeout | undefined

  constructor(sink: Sink) {
    this.#sink = sink
  }

  /** Adds a line, which includes its line end. */
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

  /** Hands over the waiting lines. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#length > 0) this.#sink.write(this.#buffer.toString('utf8', 0, this.#length))
    this.#length = 0
  }
}
