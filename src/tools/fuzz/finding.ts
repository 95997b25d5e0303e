import type { Exchange } from '../openapi/client.ts'
import type { HttpRequest } from '../openapi/request.ts'

/** What can be wrong with an answer, or with several of them together. */
export type FaultKind =
  | 'server_error'
  | 'no_answer'
  | 'undocumented_status'
  | 'undocumented_content'
  | 'wrong_answer'
  | 'wrong_header'
  | 'invalid_accepted'
  | 'refused_but_changed'
  | 'credential_ignored'
  | 'leaked'
  | 'not_the_same'
  | 'not_read_back'
  | 'not_found_again'
  | 'patch_changed_more'
  | 'etag'
  | 'filter'
  | 'pages'
  | 'still_there'

/** A promise of the document, or of HTTP, that the server broke. */
export class Fault extends Error {
  readonly kind: FaultKind
  /** The operation that broke it. */
  readonly operation: string
  /** Distinguishes faults of one kind in one operation: a status, or the place of a field. */
  readonly place: string

  constructor(kind: FaultKind, operation: string, message: string, place = '') {
    super(message)
    this.kind = kind
    this.operation = operation
    this.place = place
  }

  /** The same for every input that shows the same fault. */
  get signature(): string {
    return `${this.kind} ${this.operation} ${this.place.replace(/\d+/g, 'N')}`
  }
}

/** A fault with the smallest input that shows it. */
export interface Finding {
  kind: FaultKind
  /** The same for every input that shows the same fault. */
  signature: string
  operation: string
  message: string
  /** What was checked, and of which operation or resource: with the input, all that a replay needs. */
  check: string
  subject: string
  input: unknown
  /** For fast-check: the seed of the run and the path to this input. */
  seed: number
  path: string
  /** How many smaller inputs were tried. */
  shrinks: number
  /** Whether the same input showed it once more. */
  isRepeatable: boolean
  /** The requests in their order, as curl lines; `$KEY` and `$OTHER_KEY` stand for the credentials. */
  curl: string[]
  /** The last answer: its status, and the beginning of its body. */
  answer: string
}

const LONGEST_BODY = 2_000

/** A request as a line for a shell. `secrets` are names of variables by the values that they stand for. */
export function curlLine(
  server: string,
  { method, target, headers, body }: HttpRequest,
  secrets: Map<string, string>
): string {
  const hidden = (text: string) => {
    for (const [value, name] of secrets) {
      if (text.includes(value)) return quoted(text).replaceAll(value, `'"$${name}"'`)
    }
    return quoted(text)
  }
  const fields = Object.entries(headers).map(([name, value]) => `-H ${hidden(`${name}: ${value}`)}`)
  // A long body is one character many times: the replay sends it as it was.
  const isLong = body !== undefined && body.length > LONGEST_BODY
  const shown = isLong ? `${body.slice(0, LONGEST_BODY)}… (${body.length} characters: --replay sends them)` : body
  const data = shown === undefined ? [] : [`--data-raw ${quoted(shown)}`]
  return [
    'curl -sS -i',
    ...(method === 'GET' ? [] : [`-X ${method}`]),
    hidden(server + target),
    ...fields,
    ...data
  ].join(' ')
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** The status of an exchange and the beginning of its body. */
export function summaryOf({ answer, failure }: Exchange): string {
  if (!answer) return failure ?? 'no answer'
  return `${answer.status} ${answer.text.slice(0, 500)}`.trim()
}
