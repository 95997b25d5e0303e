import { ApiError } from '../errors.ts'
import type { Answer } from './answer.ts'

/** What a caller prefers (RFC 7240), of what can be preferred here. */
export interface Preferences {
  return?: 'minimal' | 'representation'
  tx?: 'commit' | 'rollback'
  handling?: 'strict' | 'lenient'
  'respond-async'?: ''
}

const KNOWN = new Map([
  ['return', ['minimal', 'representation']],
  ['tx', ['commit', 'rollback']],
  ['handling', ['strict', 'lenient']],
  ['respond-async', ['']]
])

/**
 * Reads `Prefer`. Unknown preferences are ignored, and the first of repeated ones counts (RFC 7240, section 2).
 * @param known the names of the preferences that the route takes.
 * @throws ApiError UNKNOWN_PREFERENCE when the caller wants `handling=strict` and something that is not known.
 */
export function parsePrefer(header: string | string[] | undefined, known: readonly string[]): Preferences {
  if (header === undefined) return {}
  const preferences: Record<string, string> = {}
  const unknown: string[] = []
  for (const text of String(header).split(',')) {
    if (text.trim() === '') continue
    // Parameters follow a semicolon; no preference here has any.
    const [name = '', value = ''] = (text.split(';')[0] as string).split('=').map((part) => part.trim())
    const [key, wanted] = [name.toLowerCase(), value.replace(/^"(.*)"$/, '$1')]
    if (known.includes(key) && KNOWN.get(key)?.includes(wanted)) preferences[key] ??= wanted
    else unknown.push(text.trim())
  }
  if (preferences.handling === 'strict' && unknown.length > 0) {
    throw new ApiError('UNKNOWN_PREFERENCE', `This is not known here: ${unknown.join(', ')}.`, { facts: { unknown } })
  }
  return preferences
}

/** An answer as it is preferred, and what of that was done in `Preference-Applied`. */
export function applyPreferences({ status, headers, body, minimalBody }: Answer, preferences: Preferences): Answer {
  const applied = Object.entries(preferences).map(([name, value]) => (value ? `${name}=${value}` : name))
  if (applied.length === 0) return { status, headers, body }
  const isMinimal = preferences.return === 'minimal'
  return {
    // 201 says where the new row is, also without its body; any other success has nothing left to say.
    status: isMinimal && status === 200 && minimalBody === undefined ? 204 : status,
    headers: { ...headers, 'preference-applied': applied.join(', ') },
    body: isMinimal ? minimalBody : body
  }
}
