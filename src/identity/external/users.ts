import { randomUUID } from 'node:crypto'
import { and, eq, sql } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { NO_PASSWORD } from '../passwords/passwords.ts'
import { InvalidatedCache } from '../requests/invalidated-cache.ts'
import { externalIdentities } from '../tables/external-identities.ts'
import { users } from '../tables/users.ts'
import { EXTERNAL_DOMAIN } from '../users.ts'

const MAX_KEPT = 100_000

/**
 * The local users for subjects of external issuers. Each is made at the first token of a subject, so that its rows have
 * an owner here; an administrator can disable it and change its role like any other.
 */
export class ExternalUsers {
  readonly #ids: InvalidatedCache<string>

  constructor(db: Database) {
    // The user of an identity never changes; its deletion is notified.
    this.#ids = new InvalidatedCache(
      (key) => findOrMake(db, JSON.parse(key)),
      MAX_KEPT,
      () => true
    )
  }

  /** The id of a subject's user. @param role the role of a new user. */
  find(issuer: string, subject: string, role: string): Promise<string> {
    // It makes a missing user, so there always is one.
    return this.#ids.load(JSON.stringify([issuer, subject, role])) as Promise<string>
  }

  /** Drops the cached ids, after one of the users was deleted. */
  forget(): void {
    this.#ids.clear()
  }
}

async function findOrMake(db: Database, [issuer, subject, role]: [string, string, string]): Promise<string> {
  return (await find(db, issuer, subject)) ?? make(db, issuer, subject, role)
}

async function find(db: Database, issuer: string, subject: string): Promise<string | undefined> {
  const { userId } = externalIdentities
  const isTheirs = and(eq(externalIdentities.issuer, issuer), eq(externalIdentities.subject, subject))
  const [row] = await db.select({ userId }).from(externalIdentities).where(isTheirs)
  return row?.userId
}

// Two instances may see the first token at once: with the lock the second finds the user that the first made. The
// address is random: an attacker could register one that follows from the subject before the first token comes.
function make(db: Database, issuer: string, subject: string, role: string): Promise<string> {
  const email = `${randomUUID()}@${EXTERNAL_DOMAIN}`
  return db.transaction(async (tx) => {
    const name = `${issuer} ${subject}`
    await tx
      .select({ locked: sql`pg_advisory_xact_lock(hashtextextended(${name}, 0))::text` })
      .from(sql`(values (1)) as once`)
    const found = await find(tx, issuer, subject)
    if (found !== undefined) return found
    const [user] = await tx
      .insert(users)
      .values({ email, name: subject.slice(0, 200), passwordHash: NO_PASSWORD, role, active: true })
      .returning({ id: users.id })
    const { id } = user as { id: string }
    await tx.insert(externalIdentities).values({ issuer, subject, userId: id })
    return id
  })
}
