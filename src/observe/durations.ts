/** Upper bounds of the buckets, in seconds. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The observations of one set of labels. */
export interface Series {
  labels: Record<string, string>
  /** The observations in each bucket, the last for larger ones; not yet cumulative, as Prometheus wants them. */
  counts: number[]
  sum: number
}

interface Value {
  metricName: string
  labels: Record<string, string>
  value: number
}

/**
 * A histogram of durations. prom-client needs 2.7 µs for every observation, most of it for hashing labels. Here the
 * caller keeps the series of a route, and an observation is two additions (0.2 µs). prom-client only renders it.
 */
export class Durations {
  readonly name: string
  readonly help: string
  readonly #series = new Map<string, Series>()

  constructor(name: string, help: string) {
    this.name = name
    this.help = help
  }

  /** The series of these labels, made on first use. */
  series(labels: Record<string, string>): Series {
    const key = JSON.stringify(labels)
    let series = this.#series.get(key)
    if (!series) {
      series = { labels, counts: new Array(BOUNDS.length + 1).fill(0), sum: 0 }
      this.#series.set(key, series)
    }
    return series
  }

  /** Counts a duration, in seconds. */
  observe(series: Series, seconds: number): void {
    let index = 0
    while (index < BOUNDS.length && seconds > (BOUNDS[index] as number)) index += 1
    series.counts[index] = (series.counts[index] as number) + 1
    series.sum += seconds
  }

  /** The values for prom-client when it renders. */
  async get() {
    const values = [...this.#series.values()].flatMap((series) => this.#render(series))
    return { name: this.name, help: this.help, type: 'histogram', aggregator: 'sum', values }
  }

  #render({ labels, counts, sum }: Series): Value[] {
    let total = 0
    const buckets = counts.map((count, index) => {
      total += count
      return {
        metricName: `${this.name}_bucket`,
        labels: { ...labels, le: String(BOUNDS[index] ?? '+Inf') },
        value: total
      }
    })
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: total }
    ]
  }
}
