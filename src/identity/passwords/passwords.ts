import { hash, verify } from '@node-rs/argon2'
import { Limiter } from '#src/concurrency/limiter.ts'

// OWASP's parameters for Argon2id: 19 MiB, two passes.
// https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

// Each takes 19 MiB and a thread of the pool of four that file reads, DNS and signatures share.
const turns = new Limiter({ inFlight: 2, waiting: 500, waitMs: 15_000, resource: 'a password check' })

/** Hashes a password with Argon2id, as a PHC string. @throws ApiError OVERLOADED when too many wait. */
export function hashPassword(password: string): Promise<string> {
  return turns.run(() => hash(password.normalize('NFKC'), PARAMETERS))
}

/**
 * Whether a password matches a hash. Without a hash it is false, after the same time.
 * @throws ApiError OVERLOADED when too many wait.
 */
export async function verifyPassword(password: string, passwordHash: string | undefined): Promise<boolean> {
  const against = passwordHash?.startsWith('$argon2') ? passwordHash : await dummyHash()
  const matches = await turns.run(() => verify(against, password.normalize('NFKC')))
  return matches && against === passwordHash
}

/** Whether a hash is weaker than new ones, so that the next login should replace it. */
export function isOutdated(passwordHash: string): boolean {
  const [, memory, time] = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$/.exec(passwordHash) ?? []
  return Number(memory ?? 0) < PARAMETERS.memoryCost || Number(time) < PARAMETERS.timeCost
}

/** The hash column of a user that cannot log in with a password. */
export const NO_PASSWORD = '!'

let nobody: Promise<string> | undefined

/** The stand-in hash for unknown users. Made at the start: otherwise the first unknown user would show. */
export function dummyHash(): Promise<string> {
  nobody ??= hashPassword('the password of nobody')
  return nobody
}
