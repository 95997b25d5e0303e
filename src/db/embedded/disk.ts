import { statfsSync } from 'node:fs'
import { ApiError } from '#src/errors.ts'

// PGlite writes its log in files of 16 MB. Once one of them does not fit, it never answers again, and holds the event loop.
const RESERVE_BYTES = 64 * 1024 * 1024
const LOOK_EVERY_MS = 100

/** Free bytes of the disk that a folder is on. */
export type FreeBytes = (folder: string) => number

const freeBytesOf: FreeBytes = (folder) => {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

/** The disk of a data directory, which must not become full. */
export class Disk {
  readonly #folder: string
  readonly #freeBytes: FreeBytes
  #lookedAt = -Infinity
  #isFull = false

  constructor(folder: string, freeBytes: FreeBytes = freeBytesOf) {
    this.#folder = folder
    this.#freeBytes = freeBytes
  }

  /** Says in one line that there is too little room, or nothing where there is enough. */
  complaint(): string | undefined {
    const free = this.#freeBytes(this.#folder)
    if (free >= RESERVE_BYTES) return undefined
    const [left, needed] = [free, RESERVE_BYTES].map((bytes) => Math.floor(bytes / 1024 / 1024))
    return `the disk of ${this.#folder} has ${left} MB left, and the embedded database needs ${needed} MB to write`
  }

  /** @throws ApiError UNAVAILABLE when there is too little room to write. The cause names the disk. */
  assertRoom(): void {
    const now = performance.now()
    if (!this.#isFull && now - this.#lookedAt < LOOK_EVERY_MS) return
    this.#lookedAt = now
    const complaint = this.complaint()
    this.#isFull = complaint !== undefined
    if (complaint) {
      throw new ApiError('UNAVAILABLE', 'The database has no room for more at the moment.', {
        cause: new Error(complaint)
      })
    }
  }
}
