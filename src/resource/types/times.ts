import { Type } from '@sinclair/typebox'
import { toRfc3339 } from '#src/db/moments.ts'
import { columnType, cutFraction, precisionOf } from './column-type.ts'
import { toIsoDuration } from './iso-duration.ts'

const moment = { type: 'string', format: 'date-time', maxLength: 40 }

/** `timestamp with time zone`: RFC 3339 in UTC, with all the digits that are stored. */
export const timestamptz = columnType({
  name: 'timestamp with time zone',
  sqlTypes: ['timestamp with time zone'],
  reader: () => (value) => toRfc3339(value as string),
  store(column) {
    const digits = precisionOf(column)
    return (value) => cutFraction(value as string, digits)
  },
  filter: () => Type.Unsafe<string>(moment),
  note: 'RFC 3339 in UTC with three to six digits of a second. Digits that the column does not keep are cut.'
})

/** `timestamp`, which has no zone: taken for UTC. */
export const timestamp = columnType({
  name: 'timestamp',
  sqlTypes: ['timestamp', 'timestamp without time zone'],
  reader: () => (value) => toRfc3339(value as string),
  store(column) {
    const digits = precisionOf(column)
    return (value) => cutFraction(inUtc(value), digits)
  },
  parameter: inUtc,
  filter: () => Type.Unsafe<string>(moment),
  note: 'Taken for UTC; else as with a zone.'
})

// PostgreSQL passes over the zone in the text of a column without one.
function inUtc(value: unknown): string {
  const text = value as string
  if (/z$/i.test(text)) return text
  const fraction = /\.\d+/.exec(text)?.[0] ?? ''
  return `${new Date(text.replace(/\.\d+/, '')).toISOString().slice(0, 19)}${fraction}Z`
}

/** `date`. */
export const date = columnType({
  name: 'date',
  sqlTypes: ['date'],
  filter: () => Type.String({ format: 'date' }),
  note: 'RFC 3339: `2026-01-31`.'
})

/** `time`. */
export const time = columnType({
  name: 'time',
  sqlTypes: ['time', 'time without time zone'],
  store(column) {
    const digits = precisionOf(column)
    return (value) => cutFraction(value as string, digits)
  },
  filter: () =>
    Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d(\\.\\d{1,9})?)?$', examples: ['09:30:00'] }),
  note: '`09:30:00`, without a zone.'
})

/** `interval`. */
export const interval = columnType({
  name: 'interval',
  sqlTypes: ['interval'],
  reader: () => (value) => toIsoDuration(value as string),
  filter: () => Type.String({ pattern: '^P[-\\dYMWDTHS.]{2,60}$', examples: ['P1DT2H'] }),
  note: 'ISO 8601: `P1DT2H`. A month equals 30 days where intervals are compared.'
})
