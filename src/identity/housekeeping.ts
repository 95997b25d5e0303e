import type { Database } from '../db/database.ts'
import { forgetEnded } from './sessions/sessions.ts'
import { ACCESS_TOKEN_SECONDS } from './tokens/access-tokens.ts'
import { type Rotation, rotateKeys } from './tokens/signing-keys.ts'

const EVERY_MS = 3_600_000
const ROTATION: Rotation = { afterSeconds: 90 * 86_400, headStartSeconds: 3600, tokenSeconds: ACCESS_TOKEN_SECONDS }

/**
 * Deletes expired rows and replaces old signing keys, every hour, on any number of instances. @returns a stop function.
 */
export function startHousekeeping(db: Database, everyMs: number = EVERY_MS, rotation: Rotation = ROTATION): () => void {
  let timer: NodeJS.Timeout
  let isOver = false
  async function keep(): Promise<void> {
    try {
      await forgetEnded(db)
      await rotateKeys(db, rotation)
    } catch {
      // The next hour tries again.
    }
    if (!isOver) schedule()
  }
  const schedule = () => {
    timer = setTimeout(keep, everyMs).unref()
  }
  schedule()
  return () => {
    isOver = true
    clearTimeout(timer)
  }
}
