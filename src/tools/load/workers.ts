import { Worker } from 'node:worker_threads'
import type { Driven, DriverProgress } from './driver.ts'
import type { WorkerPlan } from './plan.ts'

type Message = { progress: DriverProgress } | { driven: Driven }

/**
 * Shares a plan between workers and runs them at once.
 * @param onProgress called a few times a second, with the sum of all workers.
 * @param signal ends the run early; what was measured until then comes back.
 */
export async function runWorkers(
  plan: Omit<WorkerPlan, 'mark'>,
  count: number,
  onProgress: (progress: DriverProgress) => void,
  signal?: AbortSignal
): Promise<Driven[]> {
  const states = Array.from({ length: count }, (): DriverProgress => ({ requests: 0, errors: 0 }))
  return Promise.all(
    shares(plan, count).map(async (share, at) => {
      const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: share })
      const stop = () => worker.postMessage('stop')
      signal?.addEventListener('abort', stop, { once: true })
      const driven = new Promise<Driven>((resolve) => {
        worker.on('message', (message: Message) => {
          if ('driven' in message) return resolve(message.driven)
          states[at] = message.progress
          const sum = (of: keyof DriverProgress) => states.reduce((total, one) => total + one[of], 0)
          onProgress({ requests: sum('requests'), errors: sum('errors') })
        })
      })
      const ended = new Promise((resolve) => worker.once('exit', resolve))
      const failed = new Promise<never>((_resolve, reject) => worker.once('error', reject))
      const result = await Promise.race([driven, failed])
      signal?.removeEventListener('abort', stop)
      await ended
      return result
    })
  )
}

/** The part of each worker: connections and rate are divided, and unique texts begin with a letter of its own. */
export function shares(plan: Omit<WorkerPlan, 'mark'>, count: number): WorkerPlan[] {
  const { pace } = plan
  const run = Math.floor(Math.random() * 36).toString(36)
  return Array.from({ length: count }, (_, at) => ({
    ...plan,
    mark: run + at.toString(36),
    pace: {
      ...pace,
      rate: pace.rate === undefined ? undefined : pace.rate / count,
      connections: Math.max(1, Math.floor((pace.connections + at) / count))
    }
  }))
}
