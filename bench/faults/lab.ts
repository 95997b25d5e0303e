import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDatabase, type Database, dropDatabase } from '../throughput/database.ts'
import { makeKey } from '../throughput/key.ts'
import { type OwnServer, startOwn } from '../throughput/postgres.ts'
import { end, endAll } from '../throughput/processes.ts'
import { ADMIN, ROOT, type RunningServer, startServer, tenon } from '../throughput/servers.ts'
import { HaProxy } from './haproxy.ts'
import { openAgent, send } from './load.ts'
import { Pooler } from './pooler.ts'
import { FaultProxy } from './proxy.ts'
import { RedisServer } from './redis.ts'

// The same for all instances, whichever port they got.
const JWT_ISSUER = 'http://faults.test'

/** Where promises are put to the test: a PostgreSQL of its own, and what each promise asks for, until it is shown. */
export class Lab {
  readonly isQuick: boolean
  readonly folder = mkdtempSync(join(tmpdir(), 'tenon-faults-'))
  readonly agent = openAgent()
  postgres!: OwnServer
  /** A key of the tier without limits, that may do everything. */
  key = ''
  #template!: Database
  #instances: RunningServer[] = []
  #databases: Database[] = []
  #proxies: FaultProxy[] = []
  #servers: { kill(): Promise<void> }[] = []
  #count = 0

  constructor(isQuick: boolean) {
    this.isQuick = isQuick
  }

  /** Starts PostgreSQL, migrates the database that the others are copies of, and makes a key in it. */
  async open(): Promise<void> {
    // A database under load shares a core with the load generator, and its use of the core would look like a slow
    // answer.
    this.postgres = await startOwn(10)
    this.#template = await createDatabase(this.postgres.url, 'faults_template')
    const instance = await startServer(tenon('tenon', ROOT), this.#template.url, this.folder, { JWT_ISSUER })
    this.key = await makeKey(instance)
    await end(instance.child)
    await this.#template.sql.end({ timeout: 1 })
  }

  /** So many, or fewer in a quick run. */
  some(full: number, quick: number): number {
    return this.isQuick ? quick : full
  }

  /** A migrated database with the key and an administrator. */
  database(): Promise<Database> {
    return this.#create('faults_template')
  }

  /** A database in which nothing is. */
  emptyDatabase(): Promise<Database> {
    return this.#create()
  }

  /** Instances of Tenon, started at once, on free ports where `env` does not name one. */
  async instances(count: number, databaseUrl: string, env: Record<string, string> = {}): Promise<RunningServer[]> {
    const kind = tenon('tenon', ROOT)
    const starting = Array.from({ length: count }, async () => {
      const one = await startServer(kind, databaseUrl, this.folder, { JWT_ISSUER, ...env })
      this.#instances.push(one)
      return one
    })
    return Promise.all(starting)
  }

  /** One instance. */
  async instance(databaseUrl: string, env: Record<string, string> = {}): Promise<RunningServer> {
    const [one] = await this.instances(1, databaseUrl, env)
    return one as RunningServer
  }

  /** Ends instances before the promise is shown. */
  async end(instances: RunningServer[]): Promise<void> {
    await Promise.all(instances.map(({ child }) => end(child)))
  }

  async redis(): Promise<RedisServer> {
    const redis = await RedisServer.start()
    this.#servers.push(redis)
    return redis
  }

  /** A PgBouncer with so many connections to each database. */
  async pooler(connections: number): Promise<Pooler> {
    const pooler = await Pooler.start(this.folder, this.postgres.port, connections)
    this.#servers.push(pooler)
    return pooler
  }

  /** A HAProxy before instances, by their ports. */
  async haproxy(ports: number[]): Promise<HaProxy> {
    const proxy = await HaProxy.open(this.folder, ports)
    this.#servers.push(proxy)
    return proxy
  }

  async proxy(targetPort: number | string): Promise<FaultProxy> {
    const proxy = await FaultProxy.open(Number(targetPort))
    this.#proxies.push(proxy)
    return proxy
  }

  /** The administrator's tokens. */
  async startLogin(url: string): Promise<{ accessToken: string; refreshToken: string }> {
    const answer = await send(this.agent, url, { method: 'POST', path: '/api/v1/auth/login', body: ADMIN })
    if (answer.status !== 200) throw new Error(`the login answered ${answer.status}: ${answer.body}`)
    return JSON.parse(answer.body)
  }

  /** Makes something through the API. @throws Error when that fails. */
  async make(url: string, path: string, body: object): Promise<{ id: string } & Record<string, string>> {
    const answer = await send(this.agent, url, { method: 'POST', path, headers: { 'x-api-key': this.key }, body })
    if (answer.status !== 201) throw new Error(`POST ${path} answered ${answer.status}: ${answer.body}`)
    return JSON.parse(answer.body)
  }

  /** Ends what a promise asked for. */
  async clear(): Promise<void> {
    await Promise.allSettled(this.#proxies.map((proxy) => proxy.close()))
    await Promise.allSettled(this.#instances.map(({ child }) => end(child)))
    await Promise.allSettled(this.#servers.map((server) => server.kill()))
    for (const database of this.#databases) await dropDatabase(this.postgres.url, database).catch(() => {})
    this.agent.destroy()
    this.#proxies = []
    this.#instances = []
    this.#servers = []
    this.#databases = []
  }

  /** Ends everything, and removes the files. */
  async close(): Promise<void> {
    await this.clear()
    await this.postgres?.end()
    await endAll()
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #create(template?: string): Promise<Database> {
    this.#count += 1
    const database = await createDatabase(this.postgres.url, `faults_${this.#count}`, template)
    this.#databases.push(database)
    return database
  }
}
