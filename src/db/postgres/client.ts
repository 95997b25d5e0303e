import type { Sql, TransactionSql } from 'postgres'
import type { Limiter } from '#src/concurrency/limiter.ts'
import {
  currentScope,
  deadlineExceeded,
  isAbandoned,
  type RequestScope,
  watchScope
} from '#src/concurrency/request-scope.ts'
import { ApiError } from '#src/errors.ts'
import { findPgError, isLostConnection } from '../errors.ts'
import { LivenessProbe } from './liveness.ts'
import { PreparedTexts } from './prepared-texts.ts'
import { repeated } from './retry.ts'
import { withDeadline } from './timeout.ts'

/** How long a statement may take on PostgreSQL: the server ends it then, and we stop waiting a little later. */
export const STATEMENT_TIMEOUT_MS = 10_000

// A small and a large part in one answer. PostgreSQL sends it at once, since it is smaller than its 8 KiB send buffer.
const PROBE = "select '' union all select repeat(' ', 4000)"

type Query = ReturnType<Sql['unsafe']>
type Result = unknown[] & { count: number; command: string }
type Unsafe = Parameters<Sql['unsafe']>
type Run = (start: () => Query) => Promise<unknown>

type Work = (tx: unknown) => Promise<unknown>

interface Connection {
  isLost: boolean
  /** Why the statement was given up; no caller waits for it any more. */
  givenUp?: ApiError
}

/** A pool of which every statement settles. */
export interface GuardedPostgres {
  /** The part of a postgres.js client that drizzle uses. */
  client: Sql
  /** Ends every connection, after the statements that run. */
  end(): Promise<void>
}

interface GuardTimes {
  /** How long a statement may stay without an answer. */
  timeoutMs?: number
  /** After how long a statement is cancelled, where the server does not end it by itself. */
  cancelMs?: number
  /** How often the probe checks whether the database answers at all; never when left out. */
  lookMs?: number
  /** Told when the server is lost or takes no writes. Settles with whether connections must be made anew. */
  onLost?: () => Promise<boolean>
}

/**
 * postgres.js as drizzle uses it, with each statement and transaction behind the limiter.
 * Every statement settles: when the server does not answer, and did not end the statement itself, it is a 503, and the
 * pool is replaced, because its dead connections would keep their places until the network gives them up, for minutes.
 * A transaction that fails because of another one is repeated, so the work of a transaction may be done more than once.
 * @param connect makes a pool of connections.
 */
export function createResilientClient(
  connect: () => Sql,
  limiter: Limiter,
  { timeoutMs = STATEMENT_TIMEOUT_MS + 500, cancelMs, lookMs, onLost = async () => false }: GuardTimes = {}
): GuardedPostgres {
  let pool = connect()
  const { options } = pool
  const texts = new PreparedTexts()

  function replace(silent: Sql): void {
    /* c8 ignore next -- of statements that find one pool silent the first replaces it; how many there are is a race */
    if (silent !== pool) return
    pool = connect()
    // drizzle sets how values are read and written on the pool that it was given.
    Object.assign(pool.options.parsers, options.parsers)
    Object.assign(pool.options.serializers, options.serializers)
    void silent.end({ timeout: 1 })
  }

  const watch = new LivenessProbe(
    () => {
      const own = connect()
      let hasBegun = false
      // biome-ignore lint/plugin: there is nothing in it that drizzle would bind
      const answer = own.unsafe(PROBE).forEach(() => {
        hasBegun = true
      })
      return { answer, hasBegun: () => hasBegun, end: () => void own.end({ timeout: 0 }) }
    },
    () => {
      replace(pool)
      move(pool)
    },
    lookMs
  )

  // Another server may have taken over.
  function move(from: Sql): void {
    onLost().then((hasMoved) => hasMoved && replace(from))
  }

  async function answered<T>(from: Sql, answer: PromiseLike<T>): Promise<T> {
    try {
      return await withDeadline(watch.during(answer), timeoutMs, () => replace(from))
    } catch (error) {
      // postgres.js: a connection that closed with something left to write never writes again, and keeps its place.
      if ((error as { code?: unknown }).code === 'CONNECT_TIMEOUT') replace(from)
      if (isServerLost(error)) move(pool)
      throw error
    }
  }

  const whileWanted = (query: Query) => ownAnswer(query, forCaller(query, cancelMs))

  // In three steps, each with its deadline; how long the work itself takes is up to its statements.
  async function transact(work: Work): Promise<unknown> {
    watch.check()
    const used = pool
    const connection: Connection = { isLost: false }
    const opened = Promise.withResolvers<void>()
    const worked = Promise.withResolvers<void>()
    const ended = used.begin((tx) => {
      opened.resolve()
      const guarded = guardTransaction(tx, connection, texts, (query) => answered(used, whileWanted(query)))
      return whileConnected(connection, work(guarded)).finally(worked.resolve)
    })
    ended.catch((error) => {
      connection.isLost = true
      opened.reject(isForeign(error, 'begin ') ? connectionLost() : error)
      worked.resolve()
    })
    await answered(used, opened.promise).catch((error) => {
      // Should it begin after all, nothing is done in it.
      connection.isLost = true
      throw error
    })
    await worked.promise
    // Statements that postgres.js has not sent on this connection yet, such as the rollback, may never settle.
    if (connection.givenUp) throw connection.givenUp
    return answered(used, ended)
  }

  async function run(start: () => Query): Promise<unknown> {
    watch.check()
    return answered(pool, whileWanted(start()))
  }

  const unsafe = statements(
    texts,
    // biome-ignore lint/plugin: drizzle's own statements pass through here, already built and with bound parameters
    (...args) => pool.unsafe(...args),
    (start) => limiter.run(() => repeated(() => run(start)))
  )
  const begin = (work: Work) => limiter.run(() => repeated(() => transact(work)))
  // postgres.js takes a connection that was cut in a statement for one that still runs it, and waits.
  const end = () => {
    watch.close()
    return pool.end({ timeout: limiter.load.running === 0 ? 0 : 5 })
  }
  return { client: { options, unsafe, begin } as unknown as Sql, end }
}

// postgres.js keeps what it had of an answer when its connection is cut, and goes on from there with the first answer on
// the next one: its rows come after as many holes, or it fails with the error of the statement before. And it keeps an
// answer in a promise of a class of its own, which V8 finds dead only when it collects the whole heap: until then all that
// it holds stays. So it is left empty: 112 MB in an export of 200,000 rows, 34 MB so; of the time of a list 59 µs went into
// collecting garbage, 36 so.
function ownAnswer(query: Query, answer: PromiseLike<unknown>): PromiseLike<unknown> {
  return answer.then(
    (answered) => {
      const result = answered as Result
      const { count, command } = result
      const rows = Object.assign(result.slice(), { count, command })
      while (rows.length > 0 && !(0 in rows)) rows.shift()
      result.length = 0
      return rows
    },
    (error) => {
      throw isForeign(error, (query as unknown as { string?: string }).string) ? connectionLost() : error
    }
  )
}

// A statement that never reached the server has no text yet.
function isForeign(error: unknown, text: string | undefined): boolean {
  const { severity, query } = error as { severity?: string; query?: string }
  return severity !== undefined && query !== undefined && query !== text
}

// Gone, shutting down or starting up, or a standby.
const isServerLost = (error: unknown) =>
  isLostConnection(error) || /^(57P0|25006|55000)/.test(String((error as { code?: unknown }).code))

const connectionLost = () => new ApiError('UNAVAILABLE', 'The connection to the database was lost.')

// PostgreSQL closes the connection of a request to cancel at once; through TLS postgres.js does not hear of it.
const CANCEL_MS = 1000

// A statement is cancelled when its caller leaves. PostgreSQL cancels it and tells whether the request came in time: a
// statement that is reported as done was done. Commits are not cancelled. The connection is kept until the cancel
// request has arrived, or the request would hit the next statement of the connection.
function forCaller(query: Query, cancelMs: number | undefined): PromiseLike<unknown> {
  const caller = currentScope()
  if (cancelMs === undefined) return caller ? cancelLate(query, caller) : query
  const { socket, endsAt } = caller ?? PATIENT
  return cancelLate(query, { socket, endsAt: Math.min(endsAt, performance.now() + cancelMs) })
}

const PATIENT: RequestScope = { socket: { destroyed: false }, endsAt: Number.POSITIVE_INFINITY }

// The function that `cancel()` of postgres.js calls. `cancel()` drops its promise, so its failure could not be caught.
interface Cancellable {
  active: boolean
  canceller: (query: Query) => Promise<unknown>
}

function cancelLate(query: Query, caller: RequestScope): Promise<unknown> {
  let cancelled: Promise<unknown> | undefined
  const unwatch = watchScope(caller, () => {
    const { active, canceller } = query as unknown as Cancellable
    // While its connection opens a cancelled statement would take that with it.
    if (!active) return false
    cancelled = withDeadline(canceller(query), CANCEL_MS).catch(() => {})
    return true
  })
  return query
    .catch((error) => {
      const isOurs = cancelled !== undefined && findPgError(error)?.code === '57014'
      throw isOurs && isAbandoned(currentScope() ?? PATIENT) ? deadlineExceeded(error) : error
    })
    .finally(() => {
      unwatch()
      return cancelled
    })
}

// The limiter admitted the transaction, so its statements do not queue; they have the same time limit as others.
function guardTransaction(
  tx: TransactionSql,
  connection: Connection,
  texts: PreparedTexts,
  answered: (query: Query) => Promise<unknown>
): unknown {
  async function run(start: () => Query): Promise<unknown> {
    if (connection.isLost) throw connectionLost()
    const caller = currentScope()
    if (caller && isAbandoned(caller)) throw deadlineExceeded()
    try {
      return await answered(start())
    } catch (error) {
      if (isLostConnection(error)) connection.isLost = true
      if (error instanceof ApiError && error.code === 'UNAVAILABLE') connection.givenUp = error
      throw error
    }
  }
  const savepoint = (work: Work) =>
    tx.savepoint((inner) => whileConnected(connection, work(guardTransaction(inner, connection, texts, answered))))
  return {
    // biome-ignore lint/plugin: as above
    unsafe: statements(texts, (...args) => tx.unsafe(...args), run),
    savepoint,
    // drizzle's migrator begins a transaction wherever it is.
    begin: savepoint
  }
}

/**
 * Settles as a transaction's work does, and never when its connection was lost. postgres.js would then send a rollback
 * to a closed socket, and that exception is thrown where no caller can catch it: it would end the process.
 */
function whileConnected<T>(connection: Connection, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    work.then(
      (value) => connection.isLost || resolve(value),
      (error) => connection.isLost || reject(error)
    )
  })
}

function statements(texts: PreparedTexts, query: (...args: Unsafe) => Query, run: Run) {
  return (...[text, parameters, options]: Unsafe) => {
    const start = () =>
      query(text, parameters, { ...options, prepare: options?.prepare === true && texts.isPrepared(text) })
    return {
      // biome-ignore lint/suspicious/noThenProperty: drizzle awaits the statement itself when it returns no rows
      then: (done: () => unknown, failed: () => unknown) => run(start).then(done, failed),
      values: () => run(() => start().values() as unknown as Query)
    }
  }
}
