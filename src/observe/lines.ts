interface Sink {
  write(text: string): unknown
}

const ENOUGH = 60_000
const EVERY_MS = 100

/**
 * Lines on their way to where they go, some hundred at a time: to hand each over by itself costs more than to make it.
 * None waits for longer than 100 ms.
 */
export class Lines {
  readonly #sink: Sink
  #text = ''
  #timer: NodeJS.Timeout | undefined

  constructor(sink: Sink) {
    this.#sink = sink
  }

  /** Adds a line, with its end. */
  add(line: string): void {
    this.#text += line
    if (this.#text.length >= ENOUGH) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), EVERY_MS)
  }

  /** Hands over what is waiting. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#text !== '') this.#sink.write(this.#text)
    this.#text = ''
  }
}
