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
    // What makes a user where there is none always gives one.
    return this.#ids.load(JSON.stringify([issuer, subject, role])) as Promise<string>
  }

  /** Forgets who is who, after one of them was deleted. */
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

// Two instances may see the first token at once: the lock lets the second find what the first made. The address is random,
// because one that follows from the subject could be taken by somebody else before the first token comes.
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
