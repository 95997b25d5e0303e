import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { DataDirectoryError } from './client.ts'
import { lockDirectory } from './lock.ts'

const DATABASE = 'pglite'
const VERSION_FILE = `${DATABASE}/PG_VERSION`
const run = promisify(execFile)

/**
 * Writes the embedded database of a data directory to a compressed tar file. No process may have it open meanwhile.
 * @returns the size of the file in bytes.
 * @throws DirectoryInUseError, or DataDirectoryError when there is none, or the file is there already.
 */
export async function backUp(dataDir: string, file: string): Promise<number> {
  if (!existsSync(join(dataDir, VERSION_FILE))) throw new DataDirectoryError(`${dataDir} has no embedded database`)
  if (existsSync(file)) throw new DataDirectoryError(`${file} is there already, and was left as it is`)
  const unlock = lockDirectory(dataDir)
  const unfinished = `${file}.unfinished`
  try {
    await tar(['-czf', resolve(unfinished), '-C', dataDir, DATABASE])
    renameSync(unfinished, file)
    return statSync(file).size
  } finally {
    rmSync(unfinished, { force: true })
    unlock()
  }
}

/**
 * Puts the embedded database of a backup into a data directory. What is there is replaced only where that is asked for,
 * and kept beside it.
 * @returns where the database went that was there before; undefined where there was none.
 * @throws DirectoryInUseError, or DataDirectoryError when one is there, or the file is no backup.
 */
export async function restore(dataDir: string, file: string, isReplacing: boolean): Promise<string | undefined> {
  const unlock = lockDirectory(dataDir)
  const [place, unpacked] = [join(dataDir, DATABASE), join(dataDir, 'restore.unfinished')]
  try {
    const isThere = existsSync(place) && readdirSync(place).length > 0
    if (isThere && !isReplacing)
      throw new DataDirectoryError(`${dataDir} has an embedded database already: --replace puts it aside`)
    rmSync(unpacked, { recursive: true, force: true })
    mkdirSync(unpacked)
    await tar(['-xzf', resolve(file), '-C', unpacked, DATABASE])
    if (!existsSync(join(unpacked, VERSION_FILE))) throw new DataDirectoryError(`${file} is no backup of a database`)
    const aside = isThere ? `${place}.before-${new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)}` : undefined
    if (aside) renameSync(place, aside)
    else rmSync(place, { recursive: true, force: true })
    renameSync(join(unpacked, DATABASE), place)
    return aside
  } finally {
    rmSync(unpacked, { recursive: true, force: true })
    unlock()
  }
}

// The program of the system: Node has none, and it streams, whatever the size.
async function tar(args: string[]): Promise<void> {
  try {
    await run('tar', args)
  } catch (cause) {
    const lines = (cause as Error).message.trim().split('\n')
    throw new DataDirectoryError(`tar failed: ${lines.join('; ')}`, { cause })
  }
}
