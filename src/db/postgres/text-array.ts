import { parseArray } from '../array-text.ts'

// The type text[] of PostgreSQL.
const TEXT_ARRAY = 1009

/** How postgres.js reads a `text[]`; drizzle, left to it, drops backslashes. Writes what drizzle made of it already. */
export const textArray = { to: TEXT_ARRAY, from: [TEXT_ARRAY], serialize: (text: string) => text, parse }

function parse(text: string): (string | null)[] {
  if (text === '{}') return []
  // Most elements need no quotes.
  if (!/["\\]/.test(text)) {
    const plain = text.slice(1, -1).split(',')
    return text.includes('NULL') ? plain.map(orNull) : plain
  }
  return parseArray(text, (element) => element) as (string | null)[]
}

const orNull = (plain: string) => (plain === 'NULL' ? null : plain)
