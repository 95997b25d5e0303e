import fc from 'fast-check'
import type { Schema } from '../openapi/schema.ts'

// Every unit is one code point, so that the length of a text is the number that a schema counts. Spaces at an end, controls
// and combining marks are left out: many servers trim or normalize, and rightly so.
const UNITS = [...'abcxyzABCXYZ0189 -_.,:;\'"`%&<>()[]{}\\/|?!#$*+=@^~éßñøж中あ😀']
const LONGEST = 10_000

/** Texts of a string schema: of its format, its pattern and its length, those at the bounds included. */
export function textsOf(schema: Schema): fc.Arbitrary<string> {
  const { format, pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema
  const fits = (text: string) => {
    const length = [...text].length
    return length >= minLength && length <= maxLength && (pattern === undefined || new RegExp(pattern, 'u').test(text))
  }
  const examples = examplesOf(schema).filter((one): one is string => typeof one === 'string' && fits(one))
  const made = format === undefined ? undefined : FORMATS[format]
  if (made) return made.filter(fits)
  // The format is unknown here: its examples show what it is.
  if (format !== undefined && examples.length > 0) return fc.constantFrom(...examples)
  const plain = textOfLength(minLength, maxLength)
  if (pattern === undefined) return withExamples(plain, examples)
  const isMostlyMatched = fc.sample(plain, { numRuns: 40, seed: 1 }).filter(fits).length > 20
  if (isMostlyMatched) return withExamples(plain.filter(fits), examples)
  const matching = matchingTexts(pattern)
  const isPossible = matching && fc.sample(matching, { numRuns: 200, seed: 1 }).filter(fits).length > 10
  if (isPossible) return withExamples(matching.filter(fits), examples)
  return examples.length > 0 ? fc.constantFrom(...examples) : plain
}

/** The values that a schema itself gives: examples and the default. */
export const examplesOf = ({ examples = [], default: standard }: Schema) =>
  standard === undefined ? examples : [...examples, standard]

function withExamples(texts: fc.Arbitrary<string>, examples: string[]): fc.Arbitrary<string> {
  return examples.length === 0
    ? texts
    : fc.oneof({ weight: 3, arbitrary: texts }, { weight: 1, arbitrary: fc.constantFrom(...examples) })
}

function textOfLength(minLength: number, maxLength: number): fc.Arbitrary<string> {
  const most = Math.min(maxLength, Math.max(minLength, LONGEST))
  const between = (from: number, to: number) =>
    fc.array(fc.constantFrom(...UNITS), { minLength: from, maxLength: to, size: 'max' }).map(trimmed)
  const usual = between(minLength, Math.min(most, minLength + 16))
  if (maxLength > LONGEST) return usual
  // A long text costs as much to make as a hundred short ones: it is repeated, and seldom.
  const longest = fc.constantFrom(...UNITS.filter((unit) => unit !== ' ')).map((unit) => unit.repeat(most))
  return fc.oneof({ weight: 18, arbitrary: usual }, { weight: 1, arbitrary: longest })
}

const trimmed = (units: string[]) =>
  units.map((unit, at) => (unit === ' ' && (at === 0 || at === units.length - 1) ? 'x' : unit)).join('')

// Not every pattern can be made into texts: one that looks ahead cannot.
function matchingTexts(pattern: string): fc.Arbitrary<string> | undefined {
  try {
    return fc.stringMatching(new RegExp(pattern, 'u'))
  } catch {
    return undefined
  }
}

const moments = fc.date({
  min: new Date('1970-01-01T00:00:00Z'),
  max: new Date('2099-12-31T23:59:59Z'),
  noInvalidDate: true
})
const words = fc.array(fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789'), {
  minLength: 8,
  maxLength: 16,
  size: 'max'
})
const word = words.map((letters) => letters.join(''))

const FORMATS: Record<string, fc.Arbitrary<string>> = {
  'date-time': moments.map((moment) => moment.toISOString()),
  date: moments.map((moment) => moment.toISOString().slice(0, 10)),
  time: moments.map((moment) => `${moment.toISOString().slice(11, 19)}Z`),
  duration: fc.nat({ max: 1000 }).map((days) => `P${days}D`),
  email: word.map((name) => `${name}@example.com`),
  hostname: word.map((name) => `${name}.example.com`),
  ipv4: fc.ipV4(),
  ipv6: fc.constantFrom('::1', '2001:db8::1', 'fe80::abcd:1', '2001:db8:1:2:3:4:5:6'),
  uri: word.map((name) => `https://example.com/${name}`),
  'uri-reference': word.map((name) => `/${name}`),
  url: word.map((name) => `https://example.com/${name}`),
  uuid: fc.uuid(),
  byte: word.map((name) => Buffer.from(name).toString('base64'))
}
