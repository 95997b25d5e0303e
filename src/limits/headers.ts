import type { Window } from './tiers.ts'

/** How far a window is used. */
export interface WindowState {
  limit: number
  seconds: number
  remaining: number
  resetMs: number
  isExceeded: boolean
}

// One policy has the name of its tier; several windows of one tier are told apart by their length.
const nameOf = (tier: string, seconds: number, count: number) => (count === 1 ? `"${tier}"` : `"${tier}-${seconds}s"`)

/** `RateLimit-Policy`: what holds (draft-ietf-httpapi-ratelimit-headers-10). */
export function policyHeader(tier: string, windows: readonly Window[]): string {
  return windows
    .map(({ limit, seconds }) => `${nameOf(tier, seconds, windows.length)};q=${limit};w=${seconds}`)
    .join(', ')
}

/** `RateLimit`: what is left, and for how many seconds. */
export function limitHeaders(tier: string, states: readonly WindowState[]): string {
  return states
    .map(
      ({ seconds, remaining, resetMs }) =>
        `${nameOf(tier, seconds, states.length)};r=${remaining};t=${Math.ceil(resetMs / 1000)}`
    )
    .join(', ')
}
