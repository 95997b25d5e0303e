import { createHash, randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { openDatabase } from '#src/db/open.ts'

/** The address of a test's own database, as configuration. */
export interface TestDatabase {
  DATABASE_URL?: string
  DATA_DIR: string
}

interface Teardown {
  teardown(end: () => unknown): void
}

/** The URL of the suite's PostgreSQL; undefined on the embedded database. */
export const serverUrl = process.env.TEST_DATABASE_URL
export const isPostgres = serverUrl !== undefined

const migrations = fileURLToPath(new URL('../../migrations/', import.meta.url))
const fingerprint = createHash('sha256')
for (const name of readdirSync(migrations).filter((file) => file.endsWith('.sql'))) {
  fingerprint.update(readFileSync(join(migrations, name)))
}
const template = `tenon_template_${fingerprint.digest('hex').slice(0, 12)}`
const templateDir = fileURLToPath(new URL(`../../node_modules/.cache/tenon/${template}`, import.meta.url))

/** Makes the migrated database that every test file copies, once for each state of the migrations. */
export async function prepareTemplate(): Promise<void> {
  if (serverUrl) await prepareOnServer(serverUrl)
  if (existsSync(templateDir)) return
  const unfinished = `${templateDir}.${process.pid}`
  const database = await openDatabase({ dataDir: unfinished, poolMax: 1 })
  await database.migrate()
  await database.close()
  renameSync(unfinished, templateDir)
}

async function prepareOnServer(url: string): Promise<void> {
  const server = postgres(url, { max: 1, onnotice: () => {} })
  const [known] = await server`select 1 from pg_database where datname = ${template}`
  if (!known) {
    const unfinished = `${template}_${process.pid}`
    await server`create database ${server(unfinished)}`
    const database = await openDatabase({ url: databaseUrl(url, unfinished), dataDir: '', poolMax: 1 })
    await database.migrate()
    await database.close()
    await server`alter database ${server(unfinished)} rename to ${server(template)}`
  }
  await server.end()
}

/** A migrated database for one test, dropped when the test ends. */
export async function createDatabase(t: Teardown): Promise<TestDatabase> {
  if (!serverUrl) return copyTemplate(t)
  return { DATABASE_URL: await createOnServer(t, serverUrl, template), DATA_DIR: makeDirectory(t) }
}

/** The same as a directory of the embedded database. */
export function copyTemplate(t: Teardown): TestDatabase {
  const DATA_DIR = makeDirectory(t)
  cpSync(templateDir, DATA_DIR, { recursive: true })
  return { DATA_DIR }
}

// A copy of 40 MB and the writes of a test take 0.3 s less in memory; a container may have 64 MB of it.
const MEMORY = '/dev/shm'
const ENOUGH_BYTES = 4_000_000_000
const hasMemory = existsSync(MEMORY) && freeBytes(MEMORY) > ENOUGH_BYTES

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

function makeDirectory(t: Teardown): string {
  const made = mkdtempSync(join(hasMemory ? MEMORY : tmpdir(), 'tenon-'))
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** The URL of an empty database for one test, where the suite runs on a server. */
export function createEmptyDatabase(t: Teardown): Promise<string> {
  return createOnServer(t, serverUrl as string, 'template0')
}

async function createOnServer(t: Teardown, url: string, from: string): Promise<string> {
  const name = `tenon_test_${randomBytes(6).toString('hex')}`
  const server = postgres(url, { max: 1, onnotice: () => {} })
  await server`create database ${server(name)} template ${server(from)}`
  t.teardown(async () => {
    await server`drop database ${server(name)} with (force)`
    await server.end()
  })
  return databaseUrl(url, name)
}

function databaseUrl(url: string, name: string): string {
  const changed = new URL(url)
  changed.pathname = name
  return changed.href
}
