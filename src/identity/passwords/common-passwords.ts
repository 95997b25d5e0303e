import { readFileSync } from 'node:fs'

const LIST = new URL('common-passwords.txt', import.meta.url)
let common: Set<string> | undefined

/**
 * Whether a text, in lower case, is among the passwords that are tried first. Read at first use: most processes never need
 * the list.
 */
export function isCommon(text: string): boolean {
  common ??= new Set(readFileSync(LIST, 'utf8').split(/\s+/))
  return common.has(text)
}
