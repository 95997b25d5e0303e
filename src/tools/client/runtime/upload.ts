import { answerOf, Call, type LongOptions, type Operation, outgoingOf } from './call.ts'
import type { Client } from './client.ts'
import { type Content, exchange } from './exchange.ts'
import type { Patience } from './patience.ts'
import type { RowFormat } from './rows.ts'

/** Rows to import: objects, or a text, file or stream of NDJSON or CSV. */
export type RowSource<Row> = Iterable<Row> | AsyncIterable<Row> | string | Blob | ReadableStream<Uint8Array>

/** Rows to import, or a function that gives them anew for each attempt. */
export type Upload<Row> = RowSource<Row> | (() => RowSource<Row>)

/** The options of an import. */
export interface UploadOptions extends LongOptions {
  /** What a text, file or stream is (NDJSON). */
  format?: RowFormat | undefined
}

/**
 * Sends rows of any number as they come. A list, a text, a file, and a function that gives the rows anew are sent again after
 * a failure; other sources can be read only once. There is no bound on the time unless `timeoutMs` sets one.
 */
export function upload<Data>(client: Client, operation: Operation, rows: Upload<unknown>): Call<Data> {
  const options: UploadOptions = operation.options ?? {}
  const outgoing = outgoingOf(operation)
  const isRereadable =
    typeof rows === 'function' || typeof rows === 'string' || Array.isArray(rows) || rows instanceof Blob
  const sent = {
    ...outgoing,
    headers: { ...outgoing.headers, 'content-type': options.format ?? 'application/x-ndjson' },
    body: (patience: Patience) => contentOf(typeof rows === 'function' ? rows() : rows, patience),
    isRepeatable: outgoing.isRepeatable && isRereadable,
    isStream: true
  }
  const patient = { ...options, timeoutMs: options.timeoutMs ?? Number.POSITIVE_INFINITY }
  return new Call(exchange(client, sent, patient, answerOf<Data>))
}

// Browsers send streams over HTTP/2 alone, or not at all. A blob may lie on the disk.
const sendsStreams = () => !('document' in globalThis || 'importScripts' in globalThis)

async function contentOf<Row>(rows: RowSource<Row>, patience: Patience): Promise<Content> {
  if (typeof rows === 'string' || rows instanceof Blob) return rows
  const stream = rows instanceof ReadableStream ? rows : encoded(rows, patience)
  return sendsStreams() ? stream : new Response(stream).blob()
}

const PIECE = 65_536

function encoded<Row>(rows: Iterable<Row> | AsyncIterable<Row>, patience: Patience): ReadableStream<Uint8Array> {
  const iterator = Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]()
  const encoder = new TextEncoder()
  // Not every runtime cancels the body of a request that has ended.
  patience.signal.addEventListener('abort', () => void iterator.return?.(), { once: true })
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let text = ''
      try {
        while (text.length < PIECE) {
          const { done, value } = await iterator.next()
          if (!done) text += `${JSON.stringify(value)}\n`
          else {
            if (text !== '') controller.enqueue(encoder.encode(text))
            return controller.close()
          }
        }
        controller.enqueue(encoder.encode(text))
      } catch (error) {
        // The request ends for the reason that the source gives, and not for that of a broken connection.
        patience.fail(error)
        controller.error(error)
      }
    }
  })
}
