import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Another process has the data directory open. The message names it. */
export class DirectoryInUseError extends Error {
  override name = 'DirectoryInUseError'
}

/**
 * Takes a data directory for this process alone. Two processes on one PGlite directory lose data without an error.
 *
 * The lock is the operating system's, held through SQLite's exclusive transaction: it ends with its process, however
 * that ends, so no lock is ever stale, and it holds between containers that share a volume, where process ids repeat.
 * The pid and start time beside it only serve to name the holder.
 * @returns what gives the directory back.
 * @throws DirectoryInUseError at once when another process has it.
 */
export function lockDirectory(directory: string): () => void {
  mkdirSync(directory, { recursive: true })
  const holderFile = join(directory, 'lock.json')
  const lock = new DatabaseSync(join(directory, 'lock'))
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    // SQLITE_BUSY; anything else (no space, not a lock file) is no other process.
    if ((cause as { errcode?: number }).errcode !== 5) throw cause
    throw new DirectoryInUseError(`${directory} is in use by ${nameHolder(holderFile)}`, { cause })
  }
  const startedAt = new Date(Date.now() - process.uptime() * 1000).toISOString()
  writeFileSync(holderFile, JSON.stringify({ pid: process.pid, startedAt }))
  return () => lock.close()
}

function nameHolder(file: string): string {
  try {
    const { pid, startedAt } = JSON.parse(readFileSync(file, 'utf8'))
    return `process ${pid}, started ${startedAt}`
  } catch {
    return 'another process'
  }
}
