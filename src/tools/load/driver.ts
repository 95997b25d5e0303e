import { setImmediate, setTimeout } from 'node:timers'
import { dueMs } from './arrivals.ts'
import { Connection, type LoadAnswer } from './connection.ts'
import { type Measures, noMeasures, record, recordServer } from './measures.ts'
import type { WorkerPlan } from './plan.ts'
import { type LeftRow, UniqueTexts, VirtualUser } from './user.ts'

/** What a worker came to. */
export interface Driven {
  measures: Measures
  left: LeftRow[]
}

/** How far a worker is. */
export interface DriverProgress {
  requests: number
  errors: number
}

// Reading a header costs little, but not nothing.
const TIMED_EVERY = 8
const SPIN_MS = 1.5

/**
 * Sends requests as a plan says, until its time is over and every answer is there.
 * @param onProgress called twice a second.
 * @param signal ends the run early.
 */
export async function drive(
  plan: WorkerPlan,
  onProgress: (progress: DriverProgress) => void = () => {},
  signal?: AbortSignal
): Promise<Driven> {
  const { pace, server, timeoutMs } = plan
  const url = new URL(server)
  const prefix = url.pathname.replace(/\/$/, '')
  const unique = new UniqueTexts(plan.mark)
  const measures = noMeasures()
  const lines = Array.from({ length: pace.connections }, () => ({
    connection: new Connection(url.origin, timeoutMs),
    user: new VirtualUser(plan, unique)
  }))
  type Line = (typeof lines)[number]
  let [requests, errors, busy] = [0, 0, 0]
  const start = performance.now()
  const isOver = () => signal?.aborted || performance.now() - start >= pace.durationMs

  function send(line: Line, due: number, onFree: (line: Line) => void): void {
    const { connection, user } = line
    const { operation } = user.step
    const request = user.request()
    request.path = prefix + request.path
    busy += 1
    connection.send(request, (answer) => {
      const now = performance.now()
      const error = errorOf(answer)
      requests += 1
      if (error !== undefined) errors += 1
      record(measures, operation, now - due, Math.floor((now - start) / 1000), error)
      if (requests % TIMED_EVERY === 0 && answer.timing !== undefined) recordServer(measures, answer.timing)
      user.next(answer)
      busy -= 1
      onFree(line)
    })
  }

  const progress = setInterval(() => onProgress({ requests, errors }), 500)
  await new Promise<void>((resolve) => {
    if (pace.rate === undefined) closed(resolve)
    else open(pace.rate / 1000, resolve)
  })
  clearInterval(progress)
  onProgress({ requests, errors })
  await Promise.all(lines.map(({ connection }) => connection.close()))
  return { measures, left: lines.flatMap(({ user }) => user.left()) }

  // Each connection sends its next request when the answer to the last one is there.
  function closed(resolve: () => void): void {
    const next = (line: Line): void => {
      if (!isOver()) send(line, performance.now(), next)
      else if (busy === 0) resolve()
    }
    for (const line of lines) next(line)
  }

  // Requests are due by the clock; one that finds no free connection waits, and its waiting counts.
  function open(perMs: number, resolve: () => void): void {
    const free = [...lines]
    let sent = 0
    const flush = (): void => {
      while (free.length > 0) {
        const due = start + dueMs(sent, perMs, pace.rampMs)
        if (due > performance.now() || due - start >= pace.durationMs) return
        sent += 1
        send(free.pop() as Line, due, onFree)
      }
    }
    const onFree = (line: Line): void => {
      free.push(line)
      if (!isOver()) flush()
      else if (busy === 0) resolve()
    }
    const tick = (): void => {
      if (isOver()) {
        while (dueMs(sent + measures.unsent, perMs, pace.rampMs) < Math.min(pace.durationMs, performance.now() - start))
          measures.unsent += 1
        if (busy === 0) resolve()
        return
      }
      flush()
      // A timer is up to a millisecond late, which would be counted as the server's.
      const waitMs = start + dueMs(sent, perMs, pace.rampMs) - performance.now()
      if (free.length > 0 && waitMs < SPIN_MS) setImmediate(tick)
      else setTimeout(tick, Math.max(1, Math.min(waitMs - 1, 50)))
    }
    tick()
  }
}

/** The status of a refusal and its code, if it has one; the reason where there was no answer; undefined for a success. */
function errorOf({ status, text, failure }: LoadAnswer): string | undefined {
  if (status === 0) return failure
  return status < 400 ? undefined : `${status} ${codeIn(text)}`.trim()
}

function codeIn(text: string): string {
  try {
    const { error, code, type } = JSON.parse(text)
    return [error?.code, code, error, type].find((one) => typeof one === 'string') ?? ''
  } catch {
    return ''
  }
}
