import { AsyncLocalStorage } from 'node:async_hooks'
import { ApiError } from '../errors.ts'
import { type Placed, SwapRemoveList } from './swap-remove-list.ts'

/** The request that current work is for, and its deadline. */
export interface RequestScope {
  /** The connection of the response. */
  readonly socket: { readonly destroyed: boolean }
  /** The deadline, by the clock of `performance`; Infinity where there is none. */
  readonly endsAt: number
  /** The route: one object for each. */
  readonly route?: object | undefined
  /** The headers of the request: its trace context is passed on from here. */
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>
  /** Time of its statements so far, with their wait in the limiter, in milliseconds; undefined where not measured. */
  databaseMs?: number
}

const callers = new AsyncLocalStorage<RequestScope | undefined>()
const ANSWERING: RequestScope = { socket: { destroyed: false }, endsAt: Number.POSITIVE_INFINITY }

/** Runs work for a request: its statements are given up when the client leaves or the deadline passes. */
export const runInScope = <T>(caller: RequestScope | undefined, work: () => T): T => callers.run(caller, work)

/** Several scopes as one that is abandoned when all of them are; undefined when one of them is undefined. */
export function together(several: (RequestScope | undefined)[]): RequestScope | undefined {
  if (several.includes(undefined)) return undefined
  const socket = {
    get destroyed() {
      return several.every((one) => one?.socket.destroyed)
    }
  }
  const route = several[0]?.route
  const isOneRoute = several.every((one) => one?.route === route)
  return {
    socket,
    endsAt: latestOf(several as RequestScope[]),
    route: isOneRoute ? route : undefined,
    // The time of a shared statement was measured for each request alone.
    get databaseMs() {
      return 0
    },
    set databaseMs(ms) {
      for (const one of several as RequestScope[]) addDatabaseMs(one, ms)
    }
  }
}

/** Adds the time of a statement to the scope that it ran for. */
export function addDatabaseMs(scope: RequestScope, ms: number): void {
  if (scope.databaseMs !== undefined) scope.databaseMs += ms
}

/** The latest deadline of several. */
function latestOf(several: Iterable<{ readonly endsAt: number }>): number {
  let latest = 0
  for (const { endsAt } of several) if (endsAt > latest) latest = endsAt
  return latest
}

/** Runs work for no single request: a statement that several requests share must not end with one of them. */
export const runDetached = <T>(work: () => T): T => callers.run(undefined, work)

/**
 * Reads data for the answer to a change that is already made: these statements go first in the queue, and are never
 * refused or given up. A client that gets an error would repeat the change.
 */
export const runUncancellable = <T>(read: () => Promise<T>): Promise<T> => callers.run(ANSWERING, read)

/** The scope of the current work; undefined when it is for no single request. */
export const currentScope = (): RequestScope | undefined => callers.getStore()

/** Whether the current work reads the answer to a change. */
export const isForAnswer = (caller: RequestScope | undefined): boolean => caller === ANSWERING

/** Whether the client went away, or the deadline has passed. */
export const isAbandoned = ({ socket, endsAt }: RequestScope): boolean =>
  socket.destroyed || endsAt <= performance.now()

/** The error for a request past its deadline. A client that went away does not read it. */
export function deadlineExceeded(cause?: unknown): ApiError {
  return new ApiError('DEADLINE_EXCEEDED', undefined, { cause })
}

// A regular look at all waiting requests costs each less than a timer and a listener of its own: 0.1 µs.
const LOOK_EVERY_MS = 50

interface Watched extends Placed {
  caller: RequestScope
  /** Gives up the work. @returns whether that was possible; if not it is tried again. */
  giveUp: () => boolean
}

const watched = new SwapRemoveList<Watched>()
let looking: NodeJS.Timeout | undefined

/** Gives work up soon after its request is abandoned. @returns a function that ends the watch. */
export function watchScope(caller: RequestScope, giveUp: () => boolean): () => void {
  const one: Watched = { caller, giveUp, place: -1 }
  watched.add(one)
  looking ??= setInterval(look, LOOK_EVERY_MS).unref()
  return () => watched.remove(one)
}

/**
 * Waits for shared work, which does not end with this request: only the wait ends at its deadline.
 * @throws ApiError DEADLINE_EXCEEDED then.
 */
export function untilEnd<T>(caller: RequestScope | undefined, answer: Promise<T>): Promise<T> {
  if (!caller || caller.endsAt === Number.POSITIVE_INFINITY) return answer
  return new Promise((resolve, reject) => {
    const unwatch = watchScope(caller, () => {
      reject(deadlineExceeded())
      return true
    })
    answer.then(resolve, reject).finally(unwatch)
  })
}

function look(): void {
  for (const one of [...watched.items]) if (isAbandoned(one.caller) && one.giveUp()) watched.remove(one)
  if (watched.items.length > 0) return
  clearInterval(looking)
  looking = undefined
}
