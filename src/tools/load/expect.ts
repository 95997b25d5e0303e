import { MisuseError } from '../misuse.ts'
import type { Latency, LoadReport } from './report.ts'

/** A threshold of a run: `p99<50ms`, `errors<0.1%`, `createProduct.p90<=20ms`. */
export interface Expectation {
  text: string
  operation: string | undefined
  measure: 'errors' | 'rate' | keyof Latency
  isMore: boolean
  isEqualEnough: boolean
  /** In ms, percent or requests a second. */
  bound: number
}

/** Whether a threshold was kept, and by what. */
export interface Verdict {
  text: string
  isMet: boolean
  actual: number
}

const MEASURES = ['mean', 'min', 'p50', 'p90', 'p99', 'p999', 'max', 'errors', 'rate']
const FORM =
  /^(?:(?<operation>[^<>=]+)\.)?(?<measure>[\w.]+)(?<sign><=?|>=?)(?<bound>\d+(?:\.\d+)?)(?<unit>us|ms|s|%|\/s)?$/

/** Reads thresholds with commas between them. @throws MisuseError for one that says nothing. */
export function expectationsIn(text: string): Expectation[] {
  return text.split(',').map((part) => {
    const {
      operation,
      measure = '',
      sign = '',
      bound,
      unit
    } = FORM.exec(part.trim().replace('p99.9', 'p999'))?.groups ?? {}
    const units = measure === 'errors' ? ['%'] : measure === 'rate' ? ['/s', undefined] : ['us', 'ms', 's']
    if (!MEASURES.includes(measure) || !units.includes(unit) || (operation !== undefined && measure === 'rate'))
      throw new MisuseError(
        `--expect knows no '${part.trim()}'; it is like p99<50ms, errors<0.1%, rate>1000, createThing.p90<=20ms`
      )
    const scale = unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1
    return {
      text: part.trim(),
      operation,
      measure: measure as Expectation['measure'],
      isMore: sign.startsWith('>'),
      isEqualEnough: sign.endsWith('='),
      bound: Number(bound) * scale
    }
  })
}

/** Compares a run with its thresholds. @throws MisuseError for one of an operation that was not sent. */
export function judge(report: LoadReport, expectations: Expectation[]): Verdict[] {
  return expectations.map((one) => {
    const whole =
      one.operation === undefined ? report : report.operations.find(({ operation }) => operation === one.operation)
    if (!whole) throw new MisuseError(`--expect names ${one.operation}, which was not sent`)
    const actual =
      one.measure === 'rate'
        ? report.rate
        : one.measure === 'errors'
          ? (whole.errors / Math.max(1, whole.requests)) * 100
          : whole.latency[one.measure]
    const isBeyond = one.isMore ? actual > one.bound : actual < one.bound
    return { text: one.text, actual, isMet: isBeyond || (one.isEqualEnough && actual === one.bound) }
  })
}
