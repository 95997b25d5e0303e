import { hash } from 'node:crypto'
import { and, eq } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { NO_PASSWORD } from '../passwords/passwords.ts'
import { InvalidatedCache } from '../requests/invalidated-cache.ts'
import { externalIdentities } from '../tables/external-identities.ts'
import { users } from '../tables/users.ts'

const MAX_KEPT = 100_000

/**
 * The users that stand for subjects of outside issuers. Each is made at the first token of theirs, so that what they make
 * has an owner here; an administrator can disable them and change their role like everybody's.
 */
export class ExternalUsers {
  readonly #ids: InvalidatedCache<string>

  constructor(db: Database) {
    // Whose identity it is never changes; that it went is told.
    this.#ids = new InvalidatedCache(
      (key) => findOrMake(db, JSON.parse(key)),
      MAX_KEPT,
      () => true
    )
  }

  /** The id of a subject's user. @param role the role of one that is made now. */
  find(issuer: string, subject: string, role: string): Promise<string> {
    return this.#ids.load(JSON.stringify([issuer, subject, role])) as Promise<string>
  }

  /** Forgets who is who, after one of them was deleted. */
  forget(): void {
    this.#ids.clear()
  }
}

async function findOrMake(db: Database, [issuer, subject, role]: [string, string, string]): Promise<string> {
  const find = async (): Promise<string | undefined> => {
    const { userId } = externalIdentities
    const isTheirs = and(eq(externalIdentities.issuer, issuer), eq(externalIdentities.subject, subject))
    const [row] = await db.select({ userId }).from(externalIdentities).where(isTheirs)
    return row?.userId
  }
  /* c8 ignore next -- two instances that see the first token at once */
  return (await find()) ?? (await make(db, issuer, subject, role)) ?? ((await find()) as string)
}

// Two instances may see the first token at once. The address is the same for both, so only one can insert it; it is of no
// real domain (RFC 2606), because an address that the issuer names may be somebody else's here.
function make(db: Database, issuer: string, subject: string, role: string): Promise<string | undefined> {
  const email = `${hash('sha256', `${issuer} ${subject}`).slice(0, 32)}@external.invalid`
  return db.transaction(async (tx) => {
    const [user] = await tx
      .insert(users)
      .values({ email, name: subject.slice(0, 200), passwordHash: NO_PASSWORD, role, active: true })
      .onConflictDoNothing()
      .returning({ id: users.id })
    if (user) await tx.insert(externalIdentities).values({ issuer, subject, userId: user.id })
    return user?.id
  })
}
