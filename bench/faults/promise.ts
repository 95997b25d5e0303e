import { numberText } from '../throughput/table.ts'
import type { Lab } from './lab.ts'

/** A figure that was seen, and whether it is what is promised. */
export interface Check {
  text: string
  isKept: boolean
}

/** Something that is promised, and how it is shown. */
export interface Promised {
  /** The name of its file. */
  name: string
  title: string
  /** Too long for a run of everything. */
  isByNameOnly?: boolean
  /** A program without which it is not shown. */
  needs?: string
  show(lab: Lab): Promise<Check[]>
}

/** A time that must stay under a bound, in milliseconds. */
export function under(boundMs: number, what: string, ms: number): Check {
  return bounded(ms < boundMs, `${what} ${numberText(ms)} ms`, `under ${numberText(boundMs)} ms`)
}

/** A figure with what was promised of it beside it, where it is not that. */
export function bounded(isKept: boolean, text: string, promised: string): Check {
  return { text: isKept ? text : `${text.toUpperCase()} (promised: ${promised})`, isKept }
}

/** Something that must not have happened. */
export function none(what: string, count: number, of?: number): Check {
  const text = of === undefined ? `${numberText(count)} ${what}` : `${numberText(count)} of ${numberText(of)} ${what}`
  return bounded(count === 0, text, 'none')
}

/** A figure about which nothing is promised. */
export const seen = (text: string): Check => ({ text, isKept: true })

/** The line of a promise. */
export function lineOf(title: string, checks: Check[]): string {
  const isKept = checks.every((check) => check.isKept)
  return `${isKept ? 'ok     ' : 'BROKEN '} ${title}: ${checks.map(({ text }) => text).join(', ')}`
}
