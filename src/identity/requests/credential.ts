import { ApiError } from '#src/errors.ts'
import { isKeyText } from '../api-keys/key-format.ts'

interface Headers {
  authorization?: string | undefined
  'x-api-key'?: string | string[] | undefined
}

/**
 * The credential of a request: an access token or key of `Authorization: Bearer`, or a key of `X-API-Key`. Undefined
 * for none, null for one of another kind.
 * @param rawHeaders the headers as sent, where a second `Authorization` is visible.
 * @throws ApiError BAD_REQUEST for two credentials: the server must not guess which one counts.
 */
export function readCredential(headers: Headers, rawHeaders: string[]): string | null | undefined {
  const { authorization, 'x-api-key': key } = headers
  if (authorization === undefined) return key === undefined ? undefined : readKey(key)
  if (key !== undefined || isTwice(rawHeaders)) {
    throw new ApiError('BAD_REQUEST', 'The request has two credentials: send one.')
  }
  return /^Bearer +([\w.~+/=-]+)$/i.exec(authorization)?.[1] ?? null
}

const readKey = (key: string | string[]) => (typeof key === 'string' && isKeyText(key) ? key : null)

// Node silently drops the second.
function isTwice(rawHeaders: string[]): boolean {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if ((rawHeaders[index] as string).length === 13 && rawHeaders[index]?.toLowerCase() === 'authorization') count += 1
  }
  return count > 1
}
