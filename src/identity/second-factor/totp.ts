import { generateSecret, generateURI, verify } from 'otplib'

const ISSUER = 'Tenon'
const STEP_SECONDS = 30

/** A new secret for an authenticator app: 160 bits, base32. */
export const newSecret = (): string => generateSecret()

/** The secret as an `otpauth://` URI, which apps read from a QR code. */
export const secretUri = (secret: string, email: string): string =>
  generateURI({ issuer: ISSUER, label: email, secret })

/**
 * The time step of a six-digit code: the current one, or one before or after it, because clocks differ (RFC 6238,
 * section 5.2). Undefined for a wrong code, and for a step not after the last used one.
 */
export async function stepOfCode(code: string, secret: string, lastStep: number | null): Promise<number | undefined> {
  const options = { secret, token: code, epochTolerance: STEP_SECONDS }
  const result = await verify(lastStep === null ? options : { ...options, afterTimeStep: lastStep })
  return result.valid && 'timeStep' in result ? result.timeStep : undefined
}
