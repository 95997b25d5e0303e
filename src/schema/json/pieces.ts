import { canonicalJson, inOneOrder } from '../canonical-json.ts'

// Long enough that a piece is worth a call, and short enough that it takes less than a millisecond.
const PIECE = 65_536

/**
 * The text of `canonicalJson` in pieces: the elements of lists one by one, so that other requests get a turn between
 * two of them.
 */
export function* canonicalPieces(body: unknown): Iterable<string> {
  let piece = ''
  for (const part of parts(body)) {
    piece += part
    if (piece.length < PIECE) continue
    yield piece
    piece = ''
  }
  yield piece
}

function* parts(body: unknown): Iterable<string> {
  if (Array.isArray(body)) return yield* list(body)
  if (typeof body !== 'object' || body === null) return yield canonicalJson(body)
  let separator = '{'
  for (const [name, value] of Object.entries(inOneOrder('', body) as object)) {
    yield `${separator}${JSON.stringify(name)}:`
    if (Array.isArray(value)) yield* list(value)
    else yield canonicalJson(value)
    separator = ','
  }
  yield separator === '{' ? '{}' : '}'
}

function* list(values: unknown[]): Iterable<string> {
  for (const [index, value] of values.entries()) yield `${index === 0 ? '[' : ','}${canonicalJson(value)}`
  yield values.length === 0 ? '[]' : ']'
}
