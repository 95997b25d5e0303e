import { MisuseError } from '../misuse.ts'
import { Client } from '../openapi/client.ts'
import { authorizeBy } from '../openapi/credentials.ts'
import { type ApiDocument, operationsOf } from '../openapi/document.ts'
import type { HttpRequest } from '../openapi/request.ts'
import { resourcesOf } from '../openapi/resources.ts'
import { Schemas } from '../openapi/schemas.ts'
import { merged } from './measures.ts'
import { cpuSecondsOf } from './metrics.ts'
import { mintKey } from './mint.ts'
import type { Pace } from './plan.ts'
import { Preparation } from './prepare.ts'
import { type LoadReport, summarize } from './report.ts'
import { runWorkers } from './workers.ts'

/** What is measured, and how. */
export interface LoadTarget {
  document: ApiDocument
  title: string
  key: string | undefined
  /** An admin's `email:password` or key, by which a key is made for the run. */
  admin: string | undefined
  headers: Record<string, string>
  /** Shares of resources (`products`), and how often a step is in a chain (`read`). */
  weights: Record<string, number>
  only: string[] | undefined
  pace: Pace
  workers: number
  timeoutMs: number
}

/** How far a run is. */
export interface LoadProgress {
  phase: 'prepare' | 'send' | 'clean'
  requests: number
  errors: number
  elapsedMs: number
}

/**
 * Sends load to a server, from the schemas of its document: rows are made, read, changed, listed and deleted.
 * @param signal ends the sending early; what was made is deleted all the same.
 * @throws MisuseError when there is nothing that can be sent.
 */
export async function load(
  target: LoadTarget,
  onProgress: (progress: LoadProgress) => void = () => {},
  signal?: AbortSignal
): Promise<LoadReport> {
  const { document, pace, title, workers, timeoutMs, weights, only, headers } = target
  const server = document.server
  const client = new Client(server)
  const told = (phase: LoadProgress['phase']) => onProgress({ phase, requests: 0, errors: 0, elapsedMs: 0 })
  const minted = target.admin === undefined ? undefined : await mintKey(server, target.admin)
  try {
    const key = minted?.key ?? target.key
    const authorize = key === undefined ? undefined : authorizeBy(document)
    const dress = (request: HttpRequest): HttpRequest => {
      const dressed = { ...request, headers: { ...headers, ...request.headers } }
      return authorize && key !== undefined ? authorize(dressed, key) : dressed
    }
    told('prepare')
    const schemas = new Schemas(document.components.schemas)
    const operations = operationsOf(document)
    const resources = resourcesOf(operations, schemas)
    const preparation = new Preparation({ document, schemas, operations, resources, client, dress, weights, only })
    const chains = await preparation.chains()
    const plan = { server, chains, rows: preparation.rows, pace, timeoutMs }
    try {
      if (chains.length === 0) throw new MisuseError(`nothing can be sent: ${reasons(preparation)}`)
      const cpuBefore = await cpuSecondsOf(new URL(server).origin, headers)
      const start = performance.now()
      const startedAt = new Date().toISOString()
      const tell = (progress: { requests: number; errors: number }) =>
        onProgress({ phase: 'send', ...progress, elapsedMs: performance.now() - start })
      const driven = await runWorkers(plan, workers, tell, signal)
      const elapsedMs = performance.now() - start
      const cpuAfter = await cpuSecondsOf(new URL(server).origin, headers)
      const seconds = Math.min(elapsedMs, pace.durationMs) / 1000
      const cpuPercent =
        cpuBefore === undefined || cpuAfter === undefined
          ? null
          : Math.round(((cpuAfter - cpuBefore) / (elapsedMs / 1000)) * 1000) / 10
      told('clean')
      const leftBehind = await preparation.clean(driven.flatMap(({ left }) => left))
      const { leftOut } = preparation
      const about = { title, server, startedAt, pace, seconds, cpuPercent, leftOut, leftBehind }
      return summarize(merged(driven.map(({ measures }) => measures)), about)
    } finally {
      await preparation.clean([])
    }
  } finally {
    client.close()
    await minted?.remove()
  }
}

function reasons({ leftOut }: Preparation): string {
  const known = leftOut.map(({ name, reason }) => `${name}: ${reason}`)
  return known.length > 0 ? known.join('; ') : 'the document has no resource and no plain GET, or --only names none'
}
