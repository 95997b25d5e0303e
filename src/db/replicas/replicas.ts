import { type SQL, sql } from 'drizzle-orm'
import type { drizzle as Drizzle } from 'drizzle-orm/postgres-js'
import type { Sql } from 'postgres'
import { Limiter } from '#src/concurrency/limiter.ts'
import { runDetached } from '#src/concurrency/request-scope.ts'
import type { Database } from '../database.ts'
import { isLostConnection } from '../errors.ts'
import { openPool, WAITING } from '../open.ts'
import type { GuardedPostgres } from '../postgres/client.ts'
import { Primary } from '../postgres/primary.ts'
import { readDatabaseUrl } from '../postgres/url.ts'
import { selectRaw } from '../rows.ts'

/** How far a replica may be behind, in milliseconds. */
export const TOLERATED_LAG_MS = 1000

/** The times of the checks of replicas, in milliseconds. */
interface ReplicaTimes {
  everyMs: number
  toleratedMs: number
  /** Between two log lines about one replica. */
  logEveryMs: number
  /** How long they are looked at after a read last could have gone there. */
  idleMs?: number
}

const IDLE_MS = 10_000
const TIMES: ReplicaTimes = { everyMs: 200, toleratedMs: TOLERATED_LAG_MS, logEveryMs: 5000 }

interface ReplicaOptions {
  urls: string[]
  /** The primary that they follow. */
  url: string
  primary: Database
  poolMax: number
  log: { warn(about: object, text: string): void; info(about: object, text: string): void }
}

interface Position {
  /** When it was asked for, as `performance.now()` tells it: what was acknowledged before is in it. */
  at: number
  bytes: number
}

/**
 * Standbys of the primary, for statements that only read. A replica is used only when it is proven to be current: the
 * position of the primary is noted with its time, and a replica that has replayed this position has everything that was
 * acknowledged until then, whatever the clocks say.
 */
export class Replicas {
  /**
   * A database that sends its statements to a replica, or to the primary when none can answer. It takes no
   * transactions.
   */
  readonly db: Database
  readonly #replicas: Replica[]
  readonly #primary: Probe
  readonly #times: ReplicaTimes
  readonly #positions: Position[] = []
  #stops: (() => void)[] = []
  #neededAt = performance.now()
  #isAsleep = false
  #isClosed = false
  #turn = 0

  private constructor(options: ReplicaOptions, times: ReplicaTimes, drizzle: typeof Drizzle) {
    this.#times = times
    this.#primary = openProbe(options.url, drizzle)
    this.#replicas = options.urls.map((url) => new Replica(url, options, times, drizzle))
    const { $client } = options.primary as unknown as { $client: Sql }
    this.db = drizzle({ client: this.#failOver($client) }) as unknown as Database
  }

  /** Opens pools to the replicas, and checks them from now on. An unreachable replica does not stop the start. */
  static async open(options: ReplicaOptions, times = TIMES): Promise<Replicas> {
    const { drizzle } = await import('drizzle-orm/postgres-js')
    const replicas = new Replicas(options, times, drizzle)
    await replicas.#start()
    return replicas
  }

  /** Whether one of them can be read from. */
  get areUsable(): boolean {
    this.#need()
    return this.#replicas.some((one) => one.isUsable)
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopLooking()
    await Promise.all([this.#primary.end(), ...this.#replicas.map((one) => one.end())])
  }

  async #start(): Promise<void> {
    // The first position before what is compared with it.
    for (const look of this.#looks) await look()
    this.#look()
  }

  get #looks(): (() => Promise<void>)[] {
    return [() => this.#lookAtPrimary(), ...this.#replicas.map((one) => () => one.look(this.#positions))]
  }

  // Each in its own time: one that is silent must not keep the others from being proven. Without reads nothing is asked,
  // so that hosted databases can sleep, and nothing is proven.
  #look(): void {
    const { everyMs, idleMs = IDLE_MS } = this.#times
    /* c8 ignore next -- closed while it woke: timers would keep the process alive for ever */
    if (this.#isClosed) return
    const isNeeded = () => performance.now() - this.#neededAt <= idleMs
    this.#stops = this.#looks.map((look) => repeat(async () => (isNeeded() ? look() : this.#sleep()), everyMs))
  }

  async #sleep(): Promise<void> {
    this.#isAsleep = true
    this.#stopLooking()
  }

  #stopLooking(): void {
    for (const stop of this.#stops) stop()
  }

  async #lookAtPrimary(): Promise<void> {
    const at = performance.now()
    // Without the primary's position no replica is proven, and soon none is used.
    const bytes = await this.#primary.ask(sql`pg_current_wal_lsn()`).catch(() => null)
    if (bytes === null) return
    this.#positions.push({ at, bytes })
    while ((this.#positions[0] as Position).at < at - this.#times.toleratedMs) this.#positions.shift()
  }

  #need(): void {
    this.#neededAt = performance.now()
    if (!this.#isAsleep) return
    this.#isAsleep = false
    // Of no request: the end of the one that wakes them must not end what is asked for all.
    void runDetached(() => this.#start())
  }

  #next(): Replica | undefined {
    this.#need()
    const usable = this.#replicas.filter((one) => one.isUsable)
    this.#turn += 1
    return usable[this.#turn % usable.length]
  }

  // The primary answers whatever a replica cannot, for any reason: also a read of a table that was made a moment ago.
  #failOver(primary: Sql): Sql {
    const run = async (start: Start) => {
      const replica = this.#next()
      if (!replica) return start(primary)
      return replica.run(start).catch(() => start(primary))
    }
    return {
      options: primary.options,
      unsafe: (...args: Parameters<Sql['unsafe']>) => ({
        // biome-ignore lint/suspicious/noThenProperty: drizzle awaits the statement itself when it returns no rows
        then: (done: () => unknown, failed: () => unknown) =>
          // biome-ignore lint/plugin: drizzle's own statements pass through here, already built and with bound parameters
          run((client) => client.unsafe(...args)).then(done, failed),
        // biome-ignore lint/plugin: as above
        values: () => run((client) => client.unsafe(...args).values())
      })
    } as unknown as Sql
  }
}

type Start = (client: Sql) => PromiseLike<unknown>

class Replica {
  readonly #name: string
  readonly #pool: GuardedPostgres
  readonly #probe: Probe
  readonly #times: ReplicaTimes
  readonly #log: ReplicaOptions['log']
  readonly #running = new Set<(reason: unknown) => void>()
  // Everything that was acknowledged until then is there.
  #provenAt = -Infinity
  #complainedAt = -Infinity

  constructor(url: string, { poolMax, log }: ReplicaOptions, times: ReplicaTimes, drizzle: typeof Drizzle) {
    this.#name = readDatabaseUrl(url).place
    this.#times = times
    this.#log = log
    this.#probe = openProbe(url, drizzle)
    this.#pool = openPool(new Primary(readDatabaseUrl(url)), poolMax, new Limiter({ inFlight: poolMax, ...WAITING }))
    // It sets how values are read and written.
    drizzle({ client: this.#pool.client })
  }

  get isUsable(): boolean {
    return performance.now() - this.#provenAt <= this.#times.toleratedMs
  }

  /** Runs a statement, until the replica is known to be silent. */
  run(start: Start): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#running.add(reject)
      const settled = () => this.#running.delete(reject)
      start(this.#pool.client).then(
        (rows) => {
          settled()
          resolve(rows)
        },
        (error) => {
          settled()
          if (isLostConnection(error)) this.#provenAt = -Infinity
          reject(error)
        }
      )
    })
  }

  /** Reads the position of the replica. */
  async look(positions: readonly Position[]): Promise<void> {
    try {
      // The position of a server that is no longer a standby is unknown, so it gives null.
      const bytes = await this.#probe.ask(sql`case when pg_is_in_recovery() then pg_last_wal_replay_lsn() end`)
      const reached = bytes === null ? undefined : positions.findLast((position) => position.bytes <= bytes)
      this.#provenAt = Math.max(this.#provenAt, reached?.at ?? -Infinity)
      if (bytes === null) this.#provenAt = -Infinity
      this.#report(bytes === null ? 'it is no standby' : 'it lags', undefined)
    } catch (error) {
      this.#provenAt = -Infinity
      for (const abandon of this.#running) abandon(error)
      this.#report('it does not answer', error)
    }
  }

  async end(): Promise<void> {
    await Promise.all([this.#probe.end(), this.#pool.end()])
  }

  #report(reason: string, err: unknown): void {
    const now = performance.now()
    const replica = this.#name
    if (this.isUsable) {
      if (this.#complainedAt > -Infinity) this.#log.info({ replica }, 'a replica is used again')
      this.#complainedAt = -Infinity
    } else if (now - this.#complainedAt >= this.#times.logEveryMs) {
      this.#complainedAt = now
      this.#log.warn({ replica, reason, err }, 'a replica is not used')
    }
  }
}

interface Probe {
  /** A position in the log of the database; null where it has none. */
  ask(position: SQL): Promise<number | null>
  end(): Promise<void>
}

// The probe has its own connection: behind the statements of a busy pool its answer would come too late to prove
// anything.
function openProbe(url: string, drizzle: typeof Drizzle): Probe {
  const limiter = new Limiter({ inFlight: 1, ...WAITING })
  const { client, end } = openPool(new Primary(readDatabaseUrl(url)), 1, limiter, TOLERATED_LAG_MS)
  const db = drizzle({ client }) as unknown as Database
  return {
    async ask(position) {
      const statement = sql`select (${position} - '0/0'::pg_lsn)::text as bytes`
      const [row] = await selectRaw<{ bytes: string | null }>(db, statement)
      // A missing position gives null. As 0, every other position would be far ahead of it.
      return row?.bytes ? Number(row.bytes) : null
    },
    end
  }
}

function repeat(work: () => Promise<void>, everyMs: number): () => void {
  let isEnded = false
  let timer = setTimeout(again, everyMs)
  async function again(): Promise<void> {
    await work()
    if (!isEnded) timer = setTimeout(again, everyMs)
  }
  return () => {
    isEnded = true
    clearTimeout(timer)
  }
}
