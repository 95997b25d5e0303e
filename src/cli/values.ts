import type { Command } from 'commander'
import { MisuseError } from '../tools/misuse.ts'

/** Calls a parser. @throws MisuseError with a message where it throws. */
export function parsed<T>(parse: () => T, message: string): T {
  try {
    return parse()
  } catch {
    throw new MisuseError(message)
  }
}

/** The number of an option. @throws MisuseError when it is not a whole number of at least `least`. */
export function wholeNumber(name: string, text: string | undefined, otherwise: number, least = 1): number {
  const number = text === undefined ? otherwise : Number(text.replaceAll(/[,_]/g, ''))
  if (!Number.isSafeInteger(number) || number < least || text === '')
    throw new MisuseError(`--${name} is a whole number of at least ${least}`)
  return number
}

/** The parts of an option with commas; undefined where it is not given. */
export const listIn = (text: string | undefined) => text?.split(',').map((one) => one.trim())

/** Headers as options: `Name: value`. @throws MisuseError for one without a colon. */
export function headersIn(lines: string[] = []): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? []
      if (name === undefined || value === undefined) throw new MisuseError(`--header is 'Name: value', not '${line}'`)
      return [name.toLowerCase(), value]
    })
  )
}

const UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A time as an option: `500ms`, `30s`, `5m`, `12h`, `90d`. @throws MisuseError for another text. */
export function millisecondsIn(name: string, text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? []
  if (number === undefined) throw new MisuseError(`--${name} is a time like 500ms, 30s, 5m, 12h or 90d`)
  return Number(number) * (UNITS_MS[unit as string] as number)
}

/** Weights as an option: `products=3,read=8`. @throws MisuseError for another text. */
export function weightsIn(text: string | undefined): Record<string, number> {
  const pairs = listIn(text)?.map((pair) => {
    const [, name, weight] = /^([^=]+)=(\d+)$/.exec(pair) ?? []
    if (name === undefined) throw new MisuseError(`--weights is like products=3,read=8, not '${pair}'`)
    return [name, Number(weight)] as const
  })
  return Object.fromEntries(pairs ?? [])
}

/** Adds the options of a command that tries a server, Tenon's or another: the target. */
export const withTarget = (command: Command): Command =>
  command
    .option('--key <key>', "the credential, as the document's security scheme has it")
    .option('--header <line>', "'Name: value', sent with every request; may be repeated", collected)
    .option('--server <url>', 'where the server is, if not where the document says')

/** Numbers as an option that may be repeated: `products=1_000_000`. @throws MisuseError for another text. */
export function countsIn(option: string, texts: string[]): Record<string, number> {
  const pairs = texts.map((text) => {
    const [, name, count] = /^([^=]+)=(\d[\d_]*)$/.exec(text) ?? []
    if (name === undefined) throw new MisuseError(`--${option} is like products=1000, not '${text}'`)
    return [name, wholeNumber(option, count, 1)] as const
  })
  return Object.fromEntries(pairs)
}

/** Collects an option that may be repeated. */
export const collected = (value: string, earlier: string[] = []): string[] => [...earlier, value]
