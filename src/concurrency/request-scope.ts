import { AsyncLocalStorage } from 'node:async_hooks'
import { ApiError } from '../errors.ts'
import { type Placed, SwapRemoveList } from './swap-remove-list.ts'

/** Who waits for what is done now, and until when. */
export interface RequestScope {
  /** The connection on which the answer leaves. */
  readonly socket: { readonly destroyed: boolean }
  /** When the caller stops waiting, by the clock of `performance`; Infinity for whoever waits as long as it takes. */
  readonly endsAt: number
  /** What is asked for: one object for each route. */
  readonly route?: object | undefined
  /** The headers of the request: the trace that it belongs to is passed on from here. */
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>
  /** How long its statements took so far, their wait for a turn included, in milliseconds; undefined where it is not measured. */
  databaseMs?: number
}

const callers = new AsyncLocalStorage<RequestScope | undefined>()
const ANSWERING: RequestScope = { socket: { destroyed: false }, endsAt: Number.POSITIVE_INFINITY }

/** Does something for a caller: statements that they do not wait for any more are given up. */
export const runInScope = <T>(caller: RequestScope | undefined, work: () => T): T => callers.run(caller, work)

/** Several callers as one, who leaves when all of them have left; nobody in particular when one of them is. */
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
    // Each of them waited for the statement that they share.
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

/** When the last of several stops waiting. */
function latestOf(several: Iterable<{ readonly endsAt: number }>): number {
  let latest = 0
  for (const { endsAt } of several) if (endsAt > latest) latest = endsAt
  return latest
}

/** Does something for nobody in particular: a statement that several callers share must not end with one of them. */
export const runDetached = <T>(work: () => T): T => callers.run(undefined, work)

/**
 * Reads what the answer to a change needs, after the change was made: its statements go before those that wait, are never
 * refused and never given up. A caller who is told that nothing was done would do it again.
 */
export const runUncancellable = <T>(read: () => Promise<T>): Promise<T> => callers.run(ANSWERING, read)

/** For whom something is done; undefined when for nobody in particular. */
export const currentScope = (): RequestScope | undefined => callers.getStore()

/** Whether what is done now is the end of an answer to a change. */
export const isForAnswer = (caller: RequestScope | undefined): boolean => caller === ANSWERING

/** Whether a caller went away, or has no time left. */
export const isAbandoned = ({ socket, endsAt }: RequestScope): boolean =>
  socket.destroyed || endsAt <= performance.now()

/** The answer for a caller who has no time left. Who went away does not read it. */
export function deadlineExceeded(cause?: unknown): ApiError {
  return new ApiError('DEADLINE_EXCEEDED', undefined, { cause })
}

// Looking at all who wait, now and then, costs a request less than a timer and a listener of its own: 0.1 µs.
const LOOK_EVERY_MS = 50

interface Watched extends Placed {
  caller: RequestScope
  /** Gives up what the caller waits for. @returns whether that could be done; if not it is tried again. */
  giveUp: () => boolean
}

const watched = new SwapRemoveList<Watched>()
let looking: NodeJS.Timeout | undefined

/** Gives something up soon after its caller has left. @returns what ends the watch. */
export function watchScope(caller: RequestScope, giveUp: () => boolean): () => void {
  const one: Watched = { caller, giveUp, place: -1 }
  watched.add(one)
  looking ??= setInterval(look, LOOK_EVERY_MS).unref()
  return () => watched.remove(one)
}

/**
 * What somebody waits for that is not only theirs, and so does not end with them: they stop waiting at their end.
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
