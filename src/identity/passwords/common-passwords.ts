import { readFileSync } from 'node:fs'

const LIST = new URL('common-passwords.txt', import.meta.url)
let common: Set<string> | undefined

/**
 * Whether a text, in lower case, is a common password, which attackers try first. The list is read at first use: most
 * processes never need it.
 */
export function isCommon(text: string): boolean {
  common ??= new Set(readFileSync(LIST, 'utf8').split(/\s+/))
  return common.has(text)
}
