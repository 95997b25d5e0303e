import { readFileSync } from 'node:fs'
import { validationFailed } from '#src/errors.ts'

const LIST = new URL('common-passwords.txt', import.meta.url)
let common: Set<string> | undefined

/**
 * Whether a password is among the first that anybody tries, in upper or lower case. Read at first use: most processes
 * never need it.
 */
function isCommon(password: string): boolean {
  common ??= new Set(readFileSync(LIST, 'utf8').split(/\s+/))
  return common.has(password.toLowerCase())
}

/** @throws ApiError VALIDATION_FAILED when a new password is a common one. @param path where it is in the body. */
export function refuseCommon(password: string, path: string): void {
  if (!isCommon(password)) return
  const message = 'is one of the passwords that are tried first: choose another'
  throw validationFailed([{ in: 'body', path, code: 'common', message }])
}
