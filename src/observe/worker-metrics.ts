import cluster, { type Worker } from 'node:cluster'
import { AggregatorRegistry, type MetricObject, type Registry } from 'prom-client'

// To a worker: asks for its counts. Back, with the same number: the counts.
const COUNTED = 'tenon:counted'
// To the primary: asks for the counts of all workers. Back, with the same number: the text.
const ALL = 'tenon:all'
/** A worker that is too busy to answer for this long is reported with its last counts. */
const PATIENCE_MS = 1000

interface Message {
  type: string
  number: number
  metrics: MetricObject[]
  text: string
}

/**
 * Sends the counts of this worker to the primary on request.
 * @returns a function that renders the counts of all workers.
 */
export function shareMetrics(registry: Registry): () => Promise<string> {
  const asked = new Map<number, (text: string) => void>()
  let count = 0
  process.on('message', async ({ type, number, text }: Message) => {
    if (type === COUNTED) send(process, { type, number, metrics: await registry.getMetricsAsJSON() })
    if (type !== ALL) return
    asked.get(number)?.(text)
    asked.delete(number)
  })
  return () =>
    new Promise((resolve) => {
      count += 1
      asked.set(count, resolve)
      send(process, { type: ALL, number: count })
    })
}

/** Answers workers that ask for the counts of all. Runs in the primary. */
export function gatherMetrics(): void {
  const latest = new Map<number, MetricObject[]>()
  const rounds = new Map<number, (id: number) => void>()
  let count = 0
  // Prometheus takes a falling counter for a restarted one: the counts of ended workers stay in the sum.
  let gone: MetricObject[] = []

  cluster.on('exit', async ({ id }) => {
    const counted = latest.get(id)?.filter(({ type }) => isCount(type))
    latest.delete(id)
    if (counted) gone = await AggregatorRegistry.aggregate([gone, counted]).getMetricsAsJSON()
  })
  cluster.on('message', async (worker, { type, number, metrics }: Message) => {
    if (type === COUNTED && !worker.isDead()) {
      latest.set(worker.id, metrics)
      rounds.get(number)?.(worker.id)
    }
    if (type === ALL) send(worker, { type, number, text: await render() })
  })

  async function render(): Promise<string> {
    count += 1
    await askAll(count)
    return AggregatorRegistry.aggregate([...latest.values(), gone]).metrics()
  }

  function askAll(number: number): Promise<void> {
    const workers = Object.values(cluster.workers as Record<string, Worker>)
    const waiting = new Set(workers.map(({ id }) => id))
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        rounds.delete(number)
        resolve()
      }
      const timer = setTimeout(end, PATIENCE_MS)
      rounds.set(number, (id) => {
        waiting.delete(id)
        if (waiting.size === 0) end()
      })
      for (const worker of workers) send(worker, { type: COUNTED, number })
    })
  }
}

const isCount = (type: unknown) => type === 'counter' || type === 'histogram'

// The other side may be gone by now, which its own event reports.
function send(to: Pick<NodeJS.Process, 'send'> | Worker, message: Partial<Message>): void {
  ;(to as Worker).send(message as never, () => {})
}
