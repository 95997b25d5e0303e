import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { ApiError } from '../../errors.ts'

/** A place in a list: the sort values of a row, and which way to go from there. */
export interface Place {
  direction: 'next' | 'previous'
  values: unknown[]
}

const MAC_BYTES = 12

/**
 * Writes a place as an opaque text that cannot be altered.
 * @param scope what the cursor belongs to, a resource and an order: it opens nowhere else.
 */
export function encodeCursor(place: Place, scope: string, key: KeyObject): string {
  const body = Buffer.from(JSON.stringify([place.direction === 'next' ? 1 : 0, ...place.values.map(finite)]))
  return Buffer.concat([mac(body, scope, key), body]).toString('base64url')
}

// JSON has neither infinity nor NaN, which other programs may have stored; their names are what PostgreSQL reads.
const finite = (value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value)

/**
 * Reads it back.
 * @throws ApiError INVALID_CURSOR when it was altered or belongs to another list or order.
 */
export function decodeCursor(cursor: string, scope: string, key: KeyObject): Place {
  const bytes = Buffer.from(cursor, 'base64url')
  const body = bytes.subarray(MAC_BYTES)
  if (bytes.length <= MAC_BYTES || !timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac(body, scope, key))) {
    throw new ApiError('INVALID_CURSOR')
  }
  const [isNext, ...values] = JSON.parse(body.toString())
  return { direction: isNext === 1 ? 'next' : 'previous', values }
}

function mac(body: Buffer, scope: string, key: KeyObject): Buffer {
  return createHmac('sha256', key).update(scope).update('\0').update(body).digest().subarray(0, MAC_BYTES)
}
