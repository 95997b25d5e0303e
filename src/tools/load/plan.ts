import type { Template } from '../values/template.ts'

/** What a step does in the life of a row; `get` is an operation by itself. */
export type StepKind = 'create' | 'read' | 'update' | 'replace' | 'list' | 'delete' | 'get'

/** A request that is sent again and again, with other ids and texts. */
export interface Step {
  /** The operationId. */
  operation: string
  kind: StepKind
  method: string
  path: Template
  headers: Record<string, string>
  body: Template | undefined
}

/** Steps that follow one another: a row is made, used and deleted. */
export interface Chain {
  /** The collection of its rows, or the operation that it is. */
  name: string
  /** Its share of the chains. */
  weight: number
  idField: string
  steps: Step[]
}

/** How requests are sent: so many at once, or so many a second whatever the answers take. */
export interface Pace {
  /** Requests a second; undefined for a closed model, in which each connection waits for its answer. */
  rate: number | undefined
  /** The time over which the rate grows from nothing, in ms. */
  rampMs: number
  connections: number
  durationMs: number
}

/** What a worker does. */
export interface WorkerPlan {
  /** Without a slash at the end. */
  server: string
  chains: Chain[]
  /** Ids that a template may name, by collection. */
  rows: Record<string, (string | number)[]>
  pace: Pace
  /** Two characters that no other worker has: unique texts begin with them. */
  mark: string
  timeoutMs: number
}

/** What was left out of a run, and why. */
export interface LeftOut {
  name: string
  reason: string
}
