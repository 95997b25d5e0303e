const [OTHER, SPACE, QUOTE, COLON, OPEN, CLOSE] = [0, 1, 2, 3, 4, 5]

// The kind of a byte between two tokens.
const KINDS = new Uint8Array(256)
for (const [characters, kind] of [
  [' \t\r\n,', SPACE],
  ['"', QUOTE],
  [':', COLON],
  ['{[', OPEN],
  ['}]', CLOSE]
] as const) {
  for (const character of characters) KINDS[character.charCodeAt(0)] = kind
}

const BACKSLASH = 0x5c
const LETTER_U = 0x75
const ZERO = 0x30
const LOWER_CASE = 0x20
const LETTER_D = 0x64
const LETTER_E = 0x65
const MINUS = 0x2d

// The shortest integer that a double may not hold has 16 digits.
const RISKY_DIGITS = 16

/** The result of one pass over the bytes of a JSON value: it shows which dangers to refuse and which checks to skip. */
export interface Scan {
  /** The number of values: containers, and strings, numbers and literals in them. */
  values: number
  /** The number of members of objects, repeated ones included. */
  members: number
  /** The deepest nesting. */
  depth: number
  /** Whether an escape may be a NUL or half of a pair. */
  mayHaveBadText: boolean
  /** Whether a number may be an integer that a double cannot hold. */
  mayHaveBigNumber: boolean
}

/** A scan that has not begun. */
export const emptyScan = (): Scan => ({
  values: 0,
  members: 0,
  depth: 0,
  mayHaveBadText: false,
  mayHaveBigNumber: false
})

/**
 * Scans one value of JSON text, at about 1 ns per byte. It does not check the syntax, as parsing does; in invalid JSON
 * it counts at least as much as a parser reads before it stops.
 * @param maxValues the scan ends early when there are more.
 * @returns the end of the value.
 */
export function scanValue(bytes: Uint8Array, from: number, to: number, scan: Scan, maxValues: number): number {
  let depth = 0
  let at = from
  while (at < to && scan.values <= maxValues) {
    switch (KINDS[bytes[at] as number]) {
      case SPACE:
        at += 1
        continue
      case QUOTE:
        scan.values += 1
        at = stringEnd(bytes, at + 1, to, scan)
        break
      case COLON:
        // The string before it was a name, not a value.
        scan.values -= 1
        scan.members += 1
        at += 1
        continue
      case OPEN:
        scan.values += 1
        depth += 1
        if (depth > scan.depth) scan.depth = depth
        at += 1
        continue
      case CLOSE:
        depth -= 1
        at += 1
        break
      default:
        scan.values += 1
        at = tokenEnd(bytes, at, to, scan)
    }
    if (depth <= 0) return at
  }
  return at
}

function stringEnd(bytes: Uint8Array, from: number, to: number, scan: Scan): number {
  let at = from
  for (; at < to; at += 1) {
    const byte = bytes[at]
    if (KINDS[byte as number] === QUOTE) return at + 1
    if (byte !== BACKSLASH) continue
    at += 1
    if (bytes[at] === LETTER_U && isRiskyEscape(bytes, at + 1)) scan.mayHaveBadText = true
  }
  return to
}

// `\u0000`, and `\ud800` to `\udfff`: also in pairs, which only a check of the text can tell from lone ones.
function isRiskyEscape(bytes: Uint8Array, at: number): boolean {
  const first = (bytes[at] as number) | LOWER_CASE
  return first === LETTER_D || (bytes[at] === ZERO && bytes[at + 1] === ZERO)
}

function tokenEnd(bytes: Uint8Array, from: number, to: number, scan: Scan): number {
  let at = from
  let hasExponent = false
  for (; at < to && KINDS[bytes[at] as number] === OTHER; at += 1) {
    if (((bytes[at] as number) | LOWER_CASE) === LETTER_E) hasExponent = true
  }
  const first = bytes[from] as number
  // `true` and `false` have an e as well.
  const isNumber = first === MINUS || (first >= ZERO && first < ZERO + 10)
  if (isNumber && (hasExponent || at - from >= RISKY_DIGITS)) scan.mayHaveBigNumber = true
  return at
}
