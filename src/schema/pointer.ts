/** One step of a path: the name of a member or the place in a list. */
export type Step = string | number

/** A property name as a step of a JSON pointer (RFC 6901). */
export function pointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

// A name may be as long as its body.
const MAX_LENGTH = 200

/** A path for an answer: cut, so that the answer to a long name stays short. */
export const shorten = (path: string): string => (path.length > MAX_LENGTH ? `${path.slice(0, MAX_LENGTH)}…` : path)

/** Steps as a JSON pointer, cut where it is long. */
export const toPointer = (steps: Step[]): string => shorten(steps.map((step) => `/${pointer(String(step))}`).join(''))
