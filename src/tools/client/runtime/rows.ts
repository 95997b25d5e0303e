import { type Call, call, type LongOptions, type Operation, outgoingOf } from './call.ts'
import type { Client } from './client.ts'
import { type CallOptions, connected, exchange } from './exchange.ts'
import type { Patience } from './patience.ts'

/** What an export may come as. */
export type RowFormat = 'application/x-ndjson' | 'text/csv'

/** An export. It is sent when it is read, and flows as fast as it is read: by `for await` row after row, or as bytes. */
export class Rows<Row, Job = never> implements AsyncIterable<Row> {
  readonly #client: Client
  readonly #operation: Operation

  constructor(client: Client, operation: Operation) {
    this.#client = client
    this.#operation = operation
  }

  /** The bytes of the answer, as for a file. */
  stream(format: RowFormat = 'application/x-ndjson'): Promise<ReadableStream<Uint8Array>> {
    const { options = {} } = this.#operation
    return openStream(this.#client, this.#operation, format, options)
  }

  /** Leaves the export to a job. Its file can be read for 24 hours. */
  later(format: RowFormat = 'application/x-ndjson'): Call<Job> {
    const options: LongOptions = { ...this.#operation.options, later: true }
    options.headers = { ...options.headers, accept: `${format}, application/json;q=0.9` }
    return call<Job>(this.#client, { ...this.#operation, options })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Row, void> {
    for await (const line of linesOf(await this.stream())) if (line !== '') yield JSON.parse(line)
  }
}

/** Opens the answer of an operation as a stream. Its silence is bounded by `timeoutMs`, not its length. */
export function openStream(
  client: Client,
  operation: Operation,
  accept: string,
  options: CallOptions
): Promise<ReadableStream<Uint8Array>> {
  const outgoing = outgoingOf(operation)
  const headers = { ...outgoing.headers, accept }
  return exchange(client, { ...outgoing, headers, isStream: true }, options, ({ body }, patience) =>
    watched(body ?? new ReadableStream({ start: (controller) => controller.close() }), patience)
  )
}

// The clock runs while the server is asked for more, and not while the reader is busy with what it has.
function watched(body: ReadableStream<Uint8Array>, patience: Patience): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  patience.rest()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        patience.restart()
        const { signal } = patience
        const { done, value } = await connected(reader.read()).catch((error) => {
          patience.end()
          throw signal.aborted ? signal.reason : error
        })
        patience.rest()
        if (!done) return controller.enqueue(value)
        patience.end()
        controller.close()
      },
      cancel(reason) {
        patience.end()
        return reader.cancel(reason)
      }
    },
    { highWaterMark: 0 }
  )
}

/** The lines of a stream of UTF-8, without their ends (LF, CR LF or CR); what follows the last end is a line, too, if any. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      // A CR at the end may be the first half of CR LF.
      const text = rest + (done ? decoder.decode() : decoder.decode(value, { stream: true }))
      const isCut = !done && text.endsWith('\r')
      const lines = (isCut ? text.slice(0, -1) : text).split(/\r\n|\n|\r/)
      rest = (lines.pop() as string) + (isCut ? '\r' : '')
      yield* lines
      if (done) break
    }
    if (rest !== '') yield rest
  } finally {
    // After an end this changes nothing; a reader that left early closes the connection by it.
    await reader.cancel().catch(() => {})
  }
}
