import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = process.env.NORTHWIND ?? fileURLToPath(new URL('../../shared/data/northwind', import.meta.url))

/** Ends the process, with a line that says why, where the data is not there. @param title what needs it. */
export function needNorthwind(title: string): void {
  if (existsSync(folder)) return
  process.stdout.write(`${title}: nothing to do, there is no ${folder}\n`)
  process.exit(0)
}

/** The rows of one of Northwind's tables, as the data has them. */
export const readNorthwind = (table: string) =>
  readFileSync(join(folder, `${table}.ndjson`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
