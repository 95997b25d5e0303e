import type { Database } from '../../db/database.ts'
import { ACCESS_TOKEN_SECONDS } from './access-tokens.ts'
import { type Rotation, rotateKeys } from './signing-keys.ts'

const EVERY_MS = 3_600_000
// Oftener than a server falls asleep after a request, so that what is due is done with the next request.
const LOOK_MS = 5000
const ROTATION: Rotation = { afterSeconds: 90 * 86_400, headStartSeconds: 3600, tokenSeconds: ACCESS_TOKEN_SECONDS }

/**
 * Replaces old signing keys, every hour, on any number of instances; after an idle hour, with the next request. It is no job,
 * because keys must be replaced also where no process runs jobs.
 * @param isIdle whether no request came for a while: a database that sleeps is not woken for this.
 * @returns a stop function.
 */
export function startKeyRotation(
  db: Database,
  isIdle: () => boolean,
  everyMs: number = EVERY_MS,
  rotation: Rotation = ROTATION
): () => void {
  let timer: NodeJS.Timeout
  let isOver = false
  async function rotate(): Promise<void> {
    if (isIdle()) return schedule(Math.min(LOOK_MS, everyMs))
    try {
      await rotateKeys(db, rotation)
    } catch {
      // The next hour tries again.
    }
    if (!isOver) schedule(everyMs)
  }
  const schedule = (inMs: number) => {
    timer = setTimeout(rotate, inMs).unref()
  }
  schedule(everyMs)
  return () => {
    isOver = true
    clearTimeout(timer)
  }
}
