/** What one server, or what it is compared with, came to in one workload. */
export interface Figure {
  subject: string
  /** In the unit of the result; the median of the samples. */
  value: number
  samples: number[]
  /** Processor time of the server for each request, in microseconds. */
  cpuUs?: number | undefined
  p50Us?: number | undefined
  p99Us?: number | undefined
  /** Tenon's value divided by this one's: the median of the rounds. */
  ratio?: number | undefined
}

/** One workload: the first figure is Tenon's. */
export interface Result {
  workload: string
  title: string
  unit: string
  isLowerBetter?: boolean
  figures: Figure[]
}

/** The middle of some numbers. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length % 2 === 1) return sorted[middle] as number
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** A figure of some samples. Beside Tenon's own, it has the ratio of each round. */
export function figure(subject: string, samples: number[], ofTenon?: number[], more: Partial<Figure> = {}): Figure {
  const ratios = ofTenon?.map((value, round) => value / (samples[round] as number))
  return { subject, value: median(samples), samples, ...(ratios && { ratio: median(ratios) }), ...more }
}
