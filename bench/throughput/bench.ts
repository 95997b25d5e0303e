import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDatabase, type Database, dropDatabase, load } from './database.ts'
import { chooseGenerator, type Generator } from './generator.ts'
import { makeKey } from './key.ts'
import type { Options } from './options.ts'
import { openServer, type Server } from './postgres.ts'
import { end, endAll } from './processes.ts'
import type { Result } from './results.ts'
import { PEERS, ROOT, type RunningServer, type ServerKind, startServer, tenon } from './servers.ts'

/** One thing to measure. */
export interface Workload {
  name: string
  title: string
  measure(bench: Bench): Promise<Result>
}

/** What the workloads share: the database, the servers, the load generator. Servers start when they are first asked for. */
export class Bench {
  readonly options: Options
  readonly folder = mkdtempSync(join(tmpdir(), 'tenon-bench-'))
  readonly peers: ServerKind[]
  readonly generator: { name: string; send: Generator }
  readonly tenon = tenon('tenon', ROOT)
  postgres!: Server
  database!: Database
  /** A key of the tier without limits, that may do everything. */
  key = ''
  #servers = new Map<string, Promise<RunningServer>>()
  #databases = new Map<string, Database>()
  #template!: Database
  #runs = 0

  constructor(options: Options) {
    this.options = options
    this.generator = chooseGenerator(options.generator, this.folder)
    const known = options.also ? [tenon('also', options.also), ...PEERS] : PEERS
    this.peers = known.filter(({ name }) => name === 'also' || !options.servers || options.servers.includes(name))
  }

  /** Starts PostgreSQL, migrates a database as Tenon does, makes a key, and loads the products. */
  async open(): Promise<void> {
    this.postgres = await openServer(process.env.DATABASE_URL)
    this.#template = await this.#create('template')
    const server = await startServer(this.tenon, this.#template.url, this.folder, {})
    this.key = await makeKey(server)
    await end(server.child)
    await this.#template.sql.end({ timeout: 1 })
    this.database = await this.databaseOf('products', this.options.rows)
  }

  /** A migrated database with so many products, with the same key; made when it is first asked for. */
  async databaseOf(name: string, rows: number): Promise<Database> {
    const known = this.#databases.get(name)
    if (known) return known
    const database = await this.#create(name, new URL(this.#template.url).pathname.slice(1))
    await load(database, rows)
    return database
  }

  /** A running server on the products, or on another database. */
  server(kind: ServerKind, database: Database = this.database): Promise<RunningServer> {
    const name = `${kind.name} ${database.url}`
    const server =
      this.#servers.get(name) ??
      startServer(kind, database.url, this.folder, kind === this.tenon ? this.options.env : {})
    this.#servers.set(name, server)
    return server
  }

  /** A text that no measurement before this one had. */
  nextRun(): string {
    this.#runs += 1
    return `${process.pid.toString(36)}-${this.#runs}`
  }

  /** Ends what was started, drops the databases, removes the files. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#servers.values()].map(async (server) => end((await server).child)))
    // A server of our own goes with all that it holds.
    if (this.postgres && !this.postgres.isOwn) {
      for (const database of this.#databases.values()) await dropDatabase(this.postgres.url, database).catch(() => {})
    }
    for (const { sql } of this.#databases.values()) await sql.end({ timeout: 0 }).catch(() => {})
    await this.postgres?.end()
    await endAll()
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #create(name: string, template?: string): Promise<Database> {
    const database = await createDatabase(this.postgres.url, `tenon_bench_${process.pid}_${name}`, template)
    this.#databases.set(name, database)
    return database
  }
}
