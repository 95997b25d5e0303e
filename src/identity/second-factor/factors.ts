import { and, eq, isNotNull, isNull, lt, notExists, or, type SQL, sql } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { recoveryCodes, secondFactors } from '../tables/second-factors.ts'
import type { SecondFactorSecrets } from './secrets.ts'
import { newSecret, stepOfCode } from './totp.ts'

/** A right code, not yet used up: the time step of the app's code, or a recovery code. */
export type RightCode = { step: number } | { recoveryHash: string }

const ofUser = (userId: string) => eq(secondFactors.userId, userId)
const isConfirmed = isNotNull(secondFactors.confirmedAt)

/** A condition for a statement: the user has no second factor. */
export const hasNoSecondFactor = (db: Database, userId: string): SQL =>
  notExists(
    db
      .select({ userId: secondFactors.userId })
      .from(secondFactors)
      .where(and(ofUser(userId), isConfirmed))
  )

/** The state of a user's second factor. */
export async function readFactor(db: Database, userId: string) {
  const [row] = await db
    .select({ confirmedAt: secondFactors.confirmedAt })
    .from(secondFactors)
    .where(and(ofUser(userId), isConfirmed))
  const recoveryCodesLeft = row ? await db.$count(recoveryCodes, eq(recoveryCodes.userId, userId)) : 0
  return { enabled: row !== undefined, confirmedAt: row?.confirmedAt ?? null, recoveryCodesLeft }
}

/** Begins an enrolment, and replaces an unconfirmed one. @returns the secret; undefined when one is confirmed. */
export async function enrol(db: Database, secrets: SecondFactorSecrets, userId: string): Promise<string | undefined> {
  const secret = newSecret()
  const sealed = secrets.seal(secret, userId)
  const [row] = await db
    .insert(secondFactors)
    .values({ userId, secret: sealed })
    .onConflictDoUpdate({
      target: secondFactors.userId,
      set: { secret: sealed, lastStep: null, createdAt: sql`now()` },
      setWhere: isNull(secondFactors.confirmedAt)
    })
    .returning({ userId: secondFactors.userId })
  return row && secret
}

/** An enrolment with a right first code. */
interface Confirmation {
  sealed: string
  step: number
}

/** Checks the first code of an enrolment; undefined when it is wrong, or there is nothing to confirm. */
export async function checkEnrolment(
  db: Database,
  secrets: SecondFactorSecrets,
  userId: string,
  code: string
): Promise<Confirmation | undefined> {
  const [row] = await db
    .select({ sealed: secondFactors.secret })
    .from(secondFactors)
    .where(and(ofUser(userId), isNull(secondFactors.confirmedAt)))
  const step = row && (await stepOfCode(code, secrets.open(row.sealed, userId), null))
  return step === undefined ? undefined : { sealed: row?.sealed as string, step }
}

/**
 * Confirms an enrolment: from now on each login needs a code.
 * @returns the recovery codes, to show once; undefined when the enrolment has been replaced.
 */
export function confirm(
  db: Database,
  secrets: SecondFactorSecrets,
  userId: string,
  { sealed, step }: Confirmation
): Promise<string[] | undefined> {
  return db.transaction(async (tx) => {
    const confirmed = await tx
      .update(secondFactors)
      .set({ confirmedAt: sql`now()`, lastStep: step })
      .where(and(ofUser(userId), eq(secondFactors.secret, sealed), isNull(secondFactors.confirmedAt)))
      .returning({ userId: secondFactors.userId })
    if (confirmed.length === 0) return undefined
    const codes = secrets.newCodes()
    await tx.insert(recoveryCodes).values(codes.map((code) => ({ userId, hash: secrets.hashCode(code, userId) })))
    return codes
  })
}

/** Checks a code of the app, or a recovery code, without using it up; undefined when it is wrong. */
export async function checkCode(
  db: Database,
  secrets: SecondFactorSecrets,
  userId: string,
  code: string
): Promise<RightCode | undefined> {
  if (/^\d{6}$/.test(code)) {
    const { secret, lastStep } = secondFactors
    const [row] = await db
      .select({ secret, lastStep })
      .from(secondFactors)
      .where(and(ofUser(userId), isConfirmed))
    const step = row && (await stepOfCode(code, secrets.open(row.secret, userId), row.lastStep))
    return step === undefined ? undefined : { step }
  }
  const recoveryHash = secrets.hashCode(code, userId)
  const [row] = await db.select({ hash: recoveryCodes.hash }).from(recoveryCodes).where(isCode(userId, recoveryHash))
  return row && { recoveryHash }
}

/** Uses up a right code. @returns false when another request was faster: of two uses at once only one counts. */
export async function consumeCode(db: Database, userId: string, code: RightCode): Promise<boolean> {
  if ('recoveryHash' in code) {
    const used = await db
      .delete(recoveryCodes)
      .where(isCode(userId, code.recoveryHash))
      .returning({ hash: recoveryCodes.hash })
    return used.length > 0
  }
  const isNewer = or(isNull(secondFactors.lastStep), lt(secondFactors.lastStep, code.step))
  const used = await db
    .update(secondFactors)
    .set({ lastStep: code.step })
    .where(and(ofUser(userId), isConfirmed, isNewer))
    .returning({ userId: secondFactors.userId })
  return used.length > 0
}

/** Removes the second factor of a user, with its recovery codes. @returns whether there was one. */
export async function removeFactor(db: Database, userId: string): Promise<boolean> {
  const removed = await db.delete(secondFactors).where(ofUser(userId)).returning({ userId: secondFactors.userId })
  return removed.length > 0
}

const isCode = (userId: string, hash: string) => and(eq(recoveryCodes.userId, userId), eq(recoveryCodes.hash, hash))
