import type { TSchema } from '@sinclair/typebox'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { cutToMilliseconds } from '#src/db/columns.ts'
import { validationFailed } from '#src/errors.ts'
import { pointer } from '#src/schema/pointer.ts'

/** The bytes of a whole number. A bigint needs no look: bodies have no number beyond 2^53. */
const INTEGER_BYTES: Record<string, number> = { smallint: 2, smallserial: 2, integer: 4, serial: 4 }

/** Makes what `Field.store` is, from the type of the column; undefined where it takes every value as it is. */
export function storeOf(
  column: AnyPgColumn,
  path: string[],
  { minimum, maximum }: TSchema
): ((value: unknown) => unknown) | undefined {
  const type = column.getSQLType()
  if (type === 'timestamp (3) with time zone') return (value) => cutToMilliseconds(value as string)
  const bytes = INTEGER_BYTES[type]
  if (bytes === undefined) return undefined
  const limit = 2 ** (8 * bytes - 1)
  if (minimum >= -limit && maximum < limit) return undefined
  return function storeInteger(value) {
    const number = value as number
    if (number >= -limit && number < limit) return value
    const [code, message] = number < 0 ? ['minimum', `must be >= ${-limit}`] : ['maximum', `must be <= ${limit - 1}`]
    throw validationFailed([{ in: 'body', path: `/${path.map(pointer).join('/')}`, code, message }])
  }
}
