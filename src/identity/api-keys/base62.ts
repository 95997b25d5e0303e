const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
// Five digits fit a small integer, and dividing big ones takes most of the time.
const STEP = 5
const STEP_SIZE = 62n ** 5n

/** A hexadecimal number in base 62, with leading zeros up to a length. */
export function toBase62(hex: string, length: number): string {
  let rest = BigInt(`0x${hex}`)
  let text = ''
  while (text.length < length) {
    text = fiveDigits(Number(rest % STEP_SIZE)) + text
    rest /= STEP_SIZE
  }
  return text.slice(-length)
}

/** The number of a base 62 text, in hexadecimal of a length; undefined when the number is too large for that. */
export function fromBase62(text: string, length: number): string | undefined {
  let value = 0n
  for (const digit of text) value = value * 62n + BigInt(DIGITS.indexOf(digit))
  const hex = value.toString(16).padStart(length, '0')
  return hex.length === length ? hex : undefined
}

function fiveDigits(value: number): string {
  let text = ''
  for (let rest = value; text.length < STEP; rest = Math.floor(rest / 62)) text = DIGITS[rest % 62] + text
  return text
}
