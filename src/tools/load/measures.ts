import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** Times of one operation, and what went wrong with it. */
export interface OperationMeasures {
  times: RecordableHistogram
  /** How often, by status and code: `409 OUT_OF_STOCK`, or the reason why there was no answer. */
  errors: Map<string, number>
}

/** What was measured within one second of a run. */
export interface SecondMeasures {
  times: RecordableHistogram
  errors: number
}

/** Sums of what the server tells of itself, from a sample of the answers. */
export interface ServerTimes {
  answers: number
  /** By the name of a part of `Server-Timing`, in ms. */
  parts: Map<string, number>
}

/** What one worker measured; it can be sent from one thread to another. */
export interface Measures {
  operations: Map<string, OperationMeasures>
  seconds: SecondMeasures[]
  server: ServerTimes
  /** Requests that were due and never sent, because no connection became free. */
  unsent: number
}

// Microseconds, with three significant digits, up to an hour.
const newHistogram = () => createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 })

/** Nothing measured yet. */
export const noMeasures = (): Measures => ({
  operations: new Map(),
  seconds: [],
  server: { answers: 0, parts: new Map() },
  unsent: 0
})

/**
 * Notes one answer.
 * @param ms from the time that the request was due, not from the time that it was sent: waiting for a free connection
 * is part of what a caller sees, and to leave it out is called coordinated omission.
 * @param second since the start.
 * @param error undefined for a success.
 */
export function record(
  measures: Measures,
  operation: string,
  ms: number,
  second: number,
  error: string | undefined
): void {
  const us = Math.max(1, Math.round(ms * 1000))
  const own = operationOf(measures, operation)
  own.times.record(us)
  while (measures.seconds.length <= second) measures.seconds.push({ times: newHistogram(), errors: 0 })
  const bucket = measures.seconds[second] as SecondMeasures
  bucket.times.record(us)
  if (error === undefined) return
  bucket.errors += 1
  own.errors.set(error, (own.errors.get(error) ?? 0) + 1)
}

function operationOf({ operations }: Measures, operation: string): OperationMeasures {
  const known = operations.get(operation)
  if (known) return known
  const made = { times: newHistogram(), errors: new Map<string, number>() }
  operations.set(operation, made)
  return made
}

/** Adds the parts of a `Server-Timing` header: `db;dur=1.5, total;dur=3`. */
export function recordServer({ server }: Measures, header: string): void {
  server.answers += 1
  for (const [, name, ms] of header.matchAll(/([\w-]+)(?:;(?!dur)[^;,]*)*;dur=([\d.]+)/g))
    server.parts.set(name as string, (server.parts.get(name as string) ?? 0) + Number(ms))
}

/** What several workers measured, as one. */
export function merged(all: Measures[]): Measures {
  const whole = noMeasures()
  for (const { operations, seconds, server, unsent } of all) {
    whole.unsent += unsent
    whole.server.answers += server.answers
    for (const [name, ms] of server.parts) whole.server.parts.set(name, (whole.server.parts.get(name) ?? 0) + ms)
    for (const [name, { times, errors }] of operations) {
      const own = operationOf(whole, name)
      own.times.add(times)
      for (const [error, count] of errors) own.errors.set(error, (own.errors.get(error) ?? 0) + count)
    }
    for (const [at, { times, errors }] of seconds.entries()) {
      while (whole.seconds.length <= at) whole.seconds.push({ times: newHistogram(), errors: 0 })
      const bucket = whole.seconds[at] as SecondMeasures
      bucket.times.add(times)
      bucket.errors += errors
    }
  }
  return whole
}

/** All times in one histogram. */
export function allTimes({ operations }: Measures): RecordableHistogram {
  const all = newHistogram()
  for (const { times } of operations.values()) all.add(times)
  return all
}
