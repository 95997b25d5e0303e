/** Words of TypeScript that no function or type may be called. */
const KEYWORDS =
  'arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function if implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof undefined var void while with yield any boolean never number object string symbol unknown bigint'.split(
    ' '
  )

/** Globals that the runtime or the types use: a schema of the same name would hide them. */
const GLOBALS =
  'AbortController AbortSignal Array AsyncGenerator AsyncIterable Blob Boolean Date Error Extract Headers Infinity Iterable JSON Map Math Number Object Parameters Pick Promise PromiseLike ReadableStream Record RegExp RequestInit Response ReturnType Set String Symbol TextDecoder TextEncoder TypeError URL URLSearchParams Uint8Array crypto fetch globalThis clearTimeout setTimeout'.split(
    ' '
  )

/** Gives each thing of a file a name of its own. */
export class Names {
  readonly #taken: Set<string>

  /**
   * @param taken names that are there already.
   * @param reserved names that no declaration may have; none for members of an object.
   */
  constructor(taken: Iterable<string>, reserved: string[] = [...KEYWORDS, ...GLOBALS]) {
    this.#taken = new Set([...reserved, ...taken])
  }

  /** The first of the names that is not taken; beyond, the last one with a number. */
  take(...wanted: string[]): string {
    const names = wanted.map((name) => (/^[A-Za-z_$]/.test(name) ? name : `_${name}`))
    let found = names.find((name) => !this.#taken.has(name))
    for (let number = 2; found === undefined; number += 1) {
      const name = `${names.at(-1)}${number}`
      if (!this.#taken.has(name)) found = name
    }
    this.#taken.add(found)
    return found
  }
}

const words = (text: string) => text.split(/[^A-Za-z0-9]+/).filter((word) => word !== '')

/** `api-keys` as `ApiKeys`. */
export const pascal = (text: string): string =>
  words(text)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')

/** `api-keys` as `apiKeys`. */
export const camel = (text: string): string => pascal(text).replace(/^[A-Z]/, (letter) => letter.toLowerCase())

/** A text as a property of an object. */
export const property = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name))

/** A value as a literal. */
export const quoted = (value: unknown): string =>
  typeof value === 'string'
    ? `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
    : JSON.stringify(value)

/** A text as a comment of documentation; empty without a text. */
export function comment(text: string | undefined, indent = ''): string {
  if (text === undefined || text.trim() === '') return ''
  const lines = text
    .trim()
    .replaceAll('*/', '*\\/')
    .split(/\s*\n\s*/)
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join('')}${indent} */\n`
}
