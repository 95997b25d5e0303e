import type { Pace } from '../plan.ts'

/** A count with separators; small ones with a decimal. */
export const count = (value: number) =>
  value.toLocaleString('en', { maximumFractionDigits: value < 10 && !Number.isInteger(value) ? 1 : 0 })

/** A time in ms as a person says it. */
export function ms(value: number): string {
  if (value === 0) return '0'
  if (value < 1) return `${Math.round(value * 1000)} µs`
  if (value < 100) return `${Number(value.toPrecision(3))} ms`
  return value < 10_000 ? `${count(value)} ms` : `${Number((value / 1000).toPrecision(3))} s`
}

/** A share in percent. */
export function percent(part: number, whole: number): string {
  const share = whole === 0 ? 0 : (part / whole) * 100
  return `${share === 0 ? '0' : share < 0.01 ? '< 0.01' : Number(share.toPrecision(3))} %`
}

/** Seconds as a person says them. */
export function duration(seconds: number): string {
  return seconds < 90 ? `${Math.round(seconds * 10) / 10} s` : `${Math.round(seconds / 6) / 10} min`
}

/** How requests were sent. */
export function paceText({ rate, rampMs, connections }: Pace): string {
  const ramp = rampMs > 0 ? `, after ${duration(rampMs / 1000)} of growing` : ''
  return rate === undefined
    ? `${connections} connections`
    : `${count(rate)} requests/s${ramp}, at most ${connections} at once`
}

/**
 * The change from an earlier value, as HTML; empty where there is none.
 * @param isMoreBetter as of a rate, and not as of a time.
 */
export function delta(value: number, before: number | undefined, isMoreBetter = false): string {
  if (before === undefined || before === 0) return ''
  const change = Math.round((value / before - 1) * 100)
  // Less than that is noise.
  const look = Math.abs(change) < 5 ? 'same' : change > 0 === isMoreBetter ? 'better' : 'worse'
  return `<i class="${look}">${change > 0 ? '+' : change < 0 ? '−' : '±'}${Math.abs(change)} %</i>`
}
