import type { RecordableHistogram } from 'node:perf_hooks'
import { allTimes, type Measures } from './measures.ts'
import type { LeftOut, Pace } from './plan.ts'

/** Times in ms. */
export interface Latency {
  mean: number
  min: number
  p50: number
  p90: number
  p99: number
  p999: number
  max: number
}

/** What one operation came to. */
export interface OperationResult {
  operation: string
  requests: number
  errors: number
  latency: Latency
}

/** What a run came to, as JSON: an earlier one can be compared with a later one. */
export interface LoadReport {
  title: string
  server: string
  startedAt: string
  pace: Pace
  /** The length of the measured time, in seconds. */
  seconds: number
  requests: number
  /** Requests a second. */
  rate: number
  errors: number
  /** Requests that were due and never sent: the server, or this machine, was too slow. */
  unsent: number
  latency: Latency
  /** Percentiles with their times in ms. */
  curve: [percentile: number, ms: number][]
  operations: OperationResult[]
  overTime: { second: number; requests: number; errors: number; p50: number; p99: number }[]
  errorsByCode: { operation: string; error: string; count: number }[]
  /** What the server tells of itself: the parts of `Server-Timing`, means in ms, and its CPU from `/metrics`, 100 for a core. */
  serverParts: { name: string; ms: number }[]
  cpuPercent: number | null
  leftOut: LeftOut[]
  leftBehind: string[]
}

/** The points of the curve, denser towards the end. */
const CURVE = [0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 97, 98, 99, 99.5, 99.9, 99.95, 99.99, 100]

const ms = (us: number) => Math.round(us) / 1000

export function latencyOf(times: RecordableHistogram): Latency {
  if (times.count === 0) return { mean: 0, min: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 }
  const at = (percentile: number) => ms(times.percentile(percentile))
  return {
    mean: ms(times.mean),
    min: ms(times.min),
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: ms(times.max)
  }
}

/** Sums up what was measured. */
export function summarize(
  measures: Measures,
  about: Pick<
    LoadReport,
    'title' | 'server' | 'startedAt' | 'pace' | 'seconds' | 'cpuPercent' | 'leftOut' | 'leftBehind'
  >
): LoadReport {
  const all = allTimes(measures)
  const operations = [...measures.operations].map(([operation, { times, errors }]) => ({
    operation,
    requests: times.count,
    errors: sum([...errors.values()]),
    latency: latencyOf(times)
  }))
  const errorsByCode = [...measures.operations].flatMap(([operation, { errors }]) =>
    [...errors].map(([error, count]) => ({ operation, error, count }))
  )
  const { answers, parts } = measures.server
  return {
    ...about,
    requests: all.count,
    rate: Math.round((all.count / about.seconds) * 10) / 10,
    errors: sum(operations.map(({ errors }) => errors)),
    unsent: measures.unsent,
    latency: latencyOf(all),
    curve: all.count === 0 ? [] : CURVE.map((one) => [one, ms(one === 0 ? all.min : all.percentile(one))]),
    operations: operations.sort((a, b) => b.requests - a.requests),
    // The last bucket holds the answers that came after the end.
    overTime: measures.seconds.slice(0, Math.max(1, Math.floor(about.seconds))).map(({ times, errors }, second) => {
      const { p50, p99 } = latencyOf(times)
      return { second, requests: times.count, errors, p50, p99 }
    }),
    errorsByCode: errorsByCode.sort((a, b) => b.count - a.count),
    serverParts: [...parts].map(([name, total]) => ({ name, ms: Math.round((total / answers) * 1000) / 1000 }))
  }
}

const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0)
