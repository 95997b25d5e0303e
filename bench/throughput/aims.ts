import type { Figure, Result } from './results.ts'

/** What is to be reached, and whether it is. */
export interface Aim {
  text: string
  isMet: boolean
}

type Judge = (figure: Figure, result: Result) => Aim

const atLeast =
  (bound: number): Judge =>
  ({ ratio }) => ({ text: `≥ ${bound} ×`, isMet: (ratio as number) >= bound })
const atMost =
  (bound: number): Judge =>
  ({ ratio }) => ({ text: `≤ ${bound} ×`, isMet: (ratio as number) <= bound })
const under =
  (bound: number, unit: string): Judge =>
  ({ value }) => ({ text: `< ${bound} ${unit}`, isMet: value < bound })

const cpuAbove =
  (boundUs: number): Judge =>
  ({ cpuUs = Number.NaN }, { figures }) => {
    const more = (figures[0]?.cpuUs ?? Number.NaN) - cpuUs
    return { text: `≤ ${boundUs} µs of CPU above it (${more.toFixed(1)})`, isMet: more <= boundUs }
  }

// By workload, then by what Tenon is compared with.
const AIMS: Record<string, Record<string, Judge>> = {
  read: { elysia: atLeast(1.3), pgbench: atLeast(0.8) },
  list: { elysia: atLeast(3) },
  lists: { elysia: atLeast(1) },
  create: { elysia: atLeast(2) },
  bulk: { COPY: atLeast(0.5) },
  import: { COPY: atLeast(0.5) },
  export: { 'COPY TO': atLeast(0.5) },
  livez: { fastify: cpuAbove(5) },
  keyset: { fastify: cpuAbove(5) },
  lone: { fastify: atMost(1.1) },
  pages: { 'page 1': atMost(1.2) },
  sizes: { 'small table': atMost(1.2) },
  'sizes-list': { 'small table': atMost(1.2) },
  startup: { tenon: under(2, 's') },
  memory: { tenon: under(150, 'MB') },
  'export-memory': { tenon: under(50, 'MB') }
}

/** The aim of a figure, where it has one. */
export function aimOf(result: Result, figure: Figure): Aim | undefined {
  return AIMS[result.workload]?.[figure.subject]?.(figure, result)
}
