import { randomBytes } from 'node:crypto'
import { eq } from 'drizzle-orm'
import type { Database } from './database.ts'
import { secrets } from './shared-secrets-table.ts'

/** 32 random bytes that all instances on a database share, made by the first that asks for them. */
export async function sharedKey(db: Database, name: string): Promise<Buffer> {
  const find = () => db.select({ value: secrets.value }).from(secrets).where(eq(secrets.name, name))
  let [row] = await find()
  if (!row) {
    // Instances that start at the same time each offer a secret; the first stored one is used by all.
    await db
      .insert(secrets)
      .values({ name, value: randomBytes(32).toString('base64') })
      .onConflictDoNothing()
    ;[row] = await find()
  }
  return Buffer.from((row as { value: string }).value, 'base64')
}
