import { bounded, type Check } from './promise.ts'

/**
 * Whether a figure that was taken at even times stays where it is. Judged by its slope, the median of the slopes between
 * any two of its values (Theil and Sen), which one value that is far off does not move. The first is left out: it warms up.
 * @param mostRise how much it may rise from the second value to the last, in its unit; a tenth of the second if that is more.
 */
export function flat(what: string, values: number[], unit: string, mostRise: number): Check {
  const warm = values.slice(1)
  const slope = median(
    warm.flatMap((later, at) => warm.slice(0, at).map((earlier, from) => (later - earlier) / (at - from)))
  )
  const rise = slope * (warm.length - 1)
  // Where the line begins that has this slope and as many values above it as below.
  const start = median(warm.map((value, at) => value - slope * at))
  const most = Math.max(mostRise, start / 10)
  const text = `${what} ${list(values)} ${unit}`.trim()
  const trend = `${rise >= 0 ? '+' : '−'}${Math.abs(rise).toFixed(1)} ${unit}`.trim()
  return bounded(rise <= most, `${text}, trend ${trend}`, `at most +${most.toFixed(1)} ${unit}`.trim())
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

const list = (all: number[]) => all.map((one) => one.toFixed(1)).join(' ')
