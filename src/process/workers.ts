import cluster, { type Worker } from 'node:cluster'
import type { Logger } from 'pino'
import { SAME_SIGNAL_MS } from './shutdown.ts'

/** The options of the primary. */
interface Lead {
  /** The number of workers. */
  count: number
  /** The longest time for a worker to stop, in milliseconds. */
  graceMs: number
  log: Pick<Logger, 'info' | 'warn'>
  /** Called with the address once all workers listen. */
  onListening(address: string): void
  /** Ends this process. */
  exit(code: number): void
}

// Process managers such as PM2 make workers with the same cluster module, without a primary of this program.
const MARK = '--tenon-worker'
/** Whether this process is a worker that `leadWorkers` forked. */
export const isOwnWorker = cluster.isWorker && process.argv.includes(MARK)

const LISTENS = 'tenon:listens'
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 30_000
// The extra time for a worker to end its connections to the database.
const LATE_MS = 1000

/** Tells the primary that this worker listens. */
export function tellListening(address: string): void {
  ;(cluster.worker as Worker).send({ type: LISTENS, address })
}

/**
 * Forks workers that share a port, and keeps their number. Until all of them listen, the end of one ends everything: it
 * has logged the reason, and another would fail in the same way. Later it is replaced, after a pause that grows while
 * workers keep ending. SIGTERM and SIGINT stop all of them in order; a second one at once.
 */
export function leadWorkers({ count, graceMs, log, onListening, exit }: Lead): void {
  let listening = 0
  let pauseMs = FIRST_PAUSE_MS
  let stoppingSince = Infinity

  function stop(signal: NodeJS.Signals): void {
    const again = performance.now() - stoppingSince
    if (again >= SAME_SIGNAL_MS) endNow(1)
    if (again >= 0) return
    stoppingSince = performance.now()
    log.info({ signal }, 'stopping')
    for (const worker of workers()) worker.process.kill('SIGTERM')
    setTimeout(endNow, graceMs + LATE_MS, 0)
    /* c8 ignore next -- all have ended and none is back yet: a matter of milliseconds */
    if (workers().length === 0) exit(0)
  }

  function endNow(code: number): void {
    for (const worker of workers()) worker.process.kill('SIGKILL')
    exit(code)
  }

  function fork(): void {
    const forkedAt = performance.now()
    const worker = cluster.fork()
    worker.on('message', ({ type, address }) => {
      if (type !== LISTENS || listening === count) return
      listening += 1
      // First one alone, so that a failure that hits all of them is reported once.
      if (listening === 1) for (let more = 1; more < count; more += 1) fork()
      if (listening === count) onListening(address)
    })
    worker.on('exit', (code, signal) => {
      if (stoppingSince < Infinity) return void (workers().length === 0 && exit(0))
      if (listening < count) return endNow(1)
      /* c8 ignore next -- half a minute later */
      if (performance.now() - forkedAt > LONGEST_PAUSE_MS) pauseMs = FIRST_PAUSE_MS
      log.warn({ worker: worker.process.pid, code, signal, pauseMs }, 'a worker ended and is replaced')
      setTimeout(() => stoppingSince < Infinity || fork(), pauseMs)
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    })
  }

  cluster.setupPrimary({ args: [MARK] })
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  fork()
}

const workers = () => Object.values(cluster.workers as Record<string, Worker>).filter((worker) => !worker.isDead())
