import { type Fault, validationFailed } from '#src/errors.ts'
import { isCommon } from './common-passwords.ts'

const MIN_LENGTH = 8

// Invisible characters make no password better: blanks, and characters without a shape such as a zero-width space.
const UNSEEN = /[\s\p{Default_Ignorable_Code_Point}\p{Cc}]/gu

/**
 * The fault of a new password, as a code and a sentence; undefined for none. It checks the form that is hashed (NFKC):
 * otherwise full-width letters would pass that later log in as plain ones.
 * @param email of the user, where it is known.
 */
export function passwordFault(password: string, email?: string): Pick<Fault, 'code' | 'message'> | undefined {
  const seen = fold(password)
  if ([...seen].length < MIN_LENGTH) {
    return { code: 'minLength', message: `must have at least ${MIN_LENGTH} characters besides blanks` }
  }
  if (isCommon(seen)) {
    return { code: 'common', message: 'is one of the passwords that are tried first: choose another' }
  }
  return email === undefined ? undefined : emailFault(seen, email)
}

/** @throws ApiError VALIDATION_FAILED when a new password is refused. @param path of the password in the body. */
export function assertPassword(password: string, path: string, email?: string): void {
  refuse(passwordFault(password, email), path)
}

/** The part that depends on the user. @throws ApiError VALIDATION_FAILED when it is the user's e-mail. */
export function assertNotEmail(password: string, path: string, email: string): void {
  refuse(emailFault(fold(password), email), path)
}

function emailFault(seen: string, email: string): Pick<Fault, 'code' | 'message'> | undefined {
  const whole = fold(email)
  const isTheirs = seen === whole || seen === whole.slice(0, whole.lastIndexOf('@'))
  return isTheirs ? { code: 'email', message: 'is the e-mail of its user: choose another' } : undefined
}

function refuse(fault: Pick<Fault, 'code' | 'message'> | undefined, path: string): void {
  if (fault) throw validationFailed([{ in: 'body', path, ...fault }])
}

const fold = (text: string) => text.normalize('NFKC').toLowerCase().normalize('NFKC').replaceAll(UNSEEN, '')
