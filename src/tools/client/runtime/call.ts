import type { Client } from './client.ts'
import { type CallOptions, exchange, isRepeatable, type Outgoing, type Reader, textOf } from './exchange.ts'
import { queryText } from './query.ts'

/** The options of a call that the server does once, however often it comes. */
export interface KeyedOptions extends CallOptions {
  /** One is made for each call; your own one also holds when your process dies in the middle. */
  idempotencyKey?: string | undefined
}

/** The options of a call that changes a row. */
export interface ChangeOptions extends KeyedOptions {
  /** The change happens only if the row still has this tag; otherwise 412 `PRECONDITION_FAILED`. */
  ifMatch?: string | undefined
  /** Leaves the body of the answer out. */
  minimal?: boolean | undefined
  /** Does everything, answers, and keeps nothing. */
  dryRun?: boolean | undefined
}

/** The options of a call that the server may do later, as a job. */
export interface LongOptions extends ChangeOptions {
  /** Answers at once with the job. */
  later?: boolean | undefined
}

/** What a call answers, by its options. `Later` is the job, where there can be one. */
export type Answered<Data, Options, Later = never> =
  | (Asked<Options, 'later'> extends true
      ? never
      : Asked<Options, 'minimal'> extends false | undefined
        ? Data
        : Data | undefined)
  | (Asked<Options, 'later'> extends false | undefined ? never : Later)

type Asked<Options, Name extends string> = Name extends keyof Options ? Options[Name] : undefined

/** An answer with what its headers tell. */
export interface Answer<Data> {
  data: Data
  status: number
  headers: Headers
  /** For `ifMatch`. */
  etag: string | undefined
  /** Whether it is the first answer to this `Idempotency-Key`, given again. */
  isReplayed: boolean
}

/** A call under way: await it for the data, or `answer()` for the headers too. */
export class Call<Data> implements Promise<Data> {
  readonly [Symbol.toStringTag] = 'Call'
  readonly #answer: Promise<Answer<Data>>

  constructor(answer: Promise<Answer<Data>>) {
    this.#answer = answer
  }

  answer(): Promise<Answer<Data>> {
    return this.#answer
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  then<Done = Data, Failed = never>(
    onDone?: ((data: Data) => Done | PromiseLike<Done>) | null,
    onFailed?: ((reason: unknown) => Failed | PromiseLike<Failed>) | null
  ): Promise<Done | Failed> {
    return this.#answer.then(({ data }) => data).then(onDone, onFailed)
  }

  catch<Failed = never>(onFailed?: ((reason: unknown) => Failed | PromiseLike<Failed>) | null): Promise<Data | Failed> {
    return this.then(undefined, onFailed)
  }

  finally(onEnd?: (() => void) | null): Promise<Data> {
    return this.then().finally(onEnd)
  }
}

/** A request, as an operation of the document describes it. */
export interface Operation {
  method: string
  path: string
  query?: object | undefined
  /** Names of lists in the query that are sent as one parameter for each value. */
  repeated?: readonly string[]
  /** Sent as JSON. */
  body?: unknown
  /** Sent as a form. */
  form?: object | undefined
  /** Whether the server knows an `Idempotency-Key` here. */
  isKeyed?: boolean
  /** Whether answers have tags, and 304 comes for one that still holds. */
  isTagged?: boolean
  /** `needed` when left out. */
  credential?: Outgoing['credential']
  options?: LongOptions | undefined
}

/** Makes a request of any kind, with the credential, retries and errors of the client. */
export function call<Data>(client: Client, operation: Operation): Call<Data> {
  return new Call(send<Data>(client, operation))
}

async function send<Data>(client: Client, operation: Operation): Promise<Answer<Data>> {
  const { options = {}, isTagged } = operation
  const outgoing = outgoingOf(operation)
  const isCached = isTagged === true && options.headers === undefined
  if (!isCached) return exchange(client, outgoing, options, answerOf<Data>)
  const { cache } = client
  const known = cache.find(outgoing.path)
  const headers = { ...outgoing.headers, ...(known && { 'if-none-match': known.etag }) }
  return exchange(client, { ...outgoing, headers }, options, async (response, patience) => {
    if (response.status === 304 && known) {
      patience.end()
      return answered<Data>(known.text, known.status, known.headers)
    }
    const text = await textOf(response)
    patience.end()
    const etag = response.headers.get('etag')
    if (etag !== null) cache.keep(outgoing.path, { etag, text, status: response.status, headers: response.headers })
    return answered<Data>(text, response.status, response.headers)
  })
}

/** The request of an operation. One `Idempotency-Key` is made here, for all of its attempts. */
export function outgoingOf(operation: Operation): Outgoing {
  const { method, path, query, repeated, body, form, options = {}, credential = 'needed' } = operation
  const { ifMatch } = options
  const preferences = preferencesOf(options)
  const key = operation.isKeyed ? (options.idempotencyKey ?? crypto.randomUUID()) : undefined
  const headers = {
    accept: 'application/json',
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(key !== undefined && { 'idempotency-key': key }),
    ...(ifMatch !== undefined && { 'if-match': ifMatch }),
    ...(preferences !== '' && { prefer: preferences })
  }
  return {
    method,
    path: path + queryText(query, repeated),
    headers,
    body: bodyOf(body, form),
    isRepeatable: isRepeatable(method, headers),
    isStream: false,
    credential
  }
}

function bodyOf(body: unknown, form: object | undefined): Outgoing['body'] {
  if (form) return () => new URLSearchParams(Object.entries(form).filter(([, value]) => value !== undefined))
  // Written once: what the caller changes meanwhile must not come under the same key.
  const text = body === undefined ? undefined : JSON.stringify(body)
  return text === undefined ? undefined : () => text
}

const preferencesOf = ({ minimal, dryRun, later }: LongOptions) =>
  [minimal && 'return=minimal', dryRun && 'tx=rollback', later && 'respond-async'].filter(Boolean).join(', ')

/** Reads a whole answer. */
export const answerOf = async <Data>(...[response, patience]: Parameters<Reader<unknown>>): Promise<Answer<Data>> => {
  const text = await textOf(response)
  patience.end()
  return answered(text, response.status, response.headers)
}

function answered<Data>(text: string, status: number, headers: Headers): Answer<Data> {
  const isJson = /[/+]json\b/.test(headers.get('content-type') ?? '')
  return {
    // The document says what the data is. A text is parsed anew for each call, so that none can change another's.
    data: (text === '' ? undefined : isJson ? JSON.parse(text) : text) as Data,
    status,
    headers,
    etag: headers.get('etag') ?? undefined,
    isReplayed: headers.get('idempotency-replayed') === 'true'
  }
}
