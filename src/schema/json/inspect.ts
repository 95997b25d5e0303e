import type { Fault } from '../../errors.ts'
import { isCleanText } from '../coerce.ts'
import { type Step, toPointer } from '../pointer.ts'

/** The most faults in the answer to one body. */
export const MAX_FAULTS = 100

/** The number of members in the objects of a value: fewer than written when a name was repeated. */
export function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = 0
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) count += countMembers(value[index])
    return count
  }
  const names = Object.keys(value)
  for (const name of names) count += countMembers((value as Record<string, unknown>)[name])
  return count + names.length
}

/** Adds the faults of values that no database can store: text with NUL or lone surrogates, unsafe integers, numbers
 * without end (1e400). */
export function inspect(value: unknown, steps: Step[], faults: Fault[]): void {
  if (faults.length >= MAX_FAULTS) return
  const refuse = (code: string, message: string) => faults.push({ in: 'body', path: toPointer(steps), code, message })
  if (typeof value === 'string') {
    if (!isCleanText(value)) refuse('text', 'must not contain NUL or lone surrogates')
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) refuse('number', 'must be within ±1.7e308, beyond which there are no numbers')
    else if (Number.isInteger(value) && !Number.isSafeInteger(value))
      refuse('integer', 'must be within ±(2^53−1), beyond which numbers lose digits')
  } else if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      steps.push(index)
      inspect(value[index], steps, faults)
      steps.pop()
    }
  } else if (value !== null && typeof value === 'object') {
    for (const name of Object.keys(value)) {
      if (!isCleanText(name)) refuse('text', 'must not have NUL or lone surrogates in a name')
      steps.push(name)
      inspect((value as Record<string, unknown>)[name], steps, faults)
      steps.pop()
    }
  }
}

// A token of JSON text: a string, a mark, or any other.
const TOKEN = /"(?:[^"\\]+|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g

interface Level {
  /** The names of an object so far. */
  names: Set<string> | undefined
  isName: boolean
  step: Step
}

/** Adds a fault for each repeated name in an object (RFC 7493): parsing silently keeps the last one. */
export function findRepeated(text: string, steps: Step[], faults: Fault[]): void {
  const levels: Level[] = []
  for (const [token] of text.matchAll(TOKEN)) {
    const level = levels.at(-1)
    if (token === '{') levels.push({ names: new Set(), isName: true, step: '' })
    else if (token === '[') levels.push({ names: undefined, isName: false, step: 0 })
    else if (token === '}' || token === ']') levels.pop()
    else if (token === ',' && level) nextStep(level)
    else if (level?.names && level.isName) {
      level.step = JSON.parse(token) as string
      level.isName = false
      if (level.names.size === level.names.add(level.step).size && faults.length < MAX_FAULTS) {
        const path = toPointer([...steps, ...levels.map(({ step }) => step)])
        faults.push({ in: 'body', path, code: 'repeated', message: 'must not be sent twice' })
      }
    }
  }
}

function nextStep(level: Level): void {
  if (level.names) level.isName = true
  else level.step = (level.step as number) + 1
}
