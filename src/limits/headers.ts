import type { Window } from './tiers.ts'

/** The state of a window. */
export interface WindowState {
  limit: number
  seconds: number
  remaining: number
  resetMs: number
  isExceeded: boolean
}

// A policy has the name of its tier; when a tier has several windows, their length is added.
const nameOf = (tier: string, seconds: number, count: number) => (count === 1 ? `"${tier}"` : `"${tier}-${seconds}s"`)

/** `RateLimit-Policy`: the limits in force (draft-ietf-httpapi-ratelimit-headers-10). */
export function policyHeader(tier: string, windows: readonly Window[]): string {
  return windows
    .map(({ limit, seconds }) => `${nameOf(tier, seconds, windows.length)};q=${limit};w=${seconds}`)
    .join(', ')
}

/** `RateLimit`: the requests that are left, and the seconds until the window ends. */
export function limitHeaders(tier: string, states: readonly WindowState[]): string {
  return states
    .map(
      ({ seconds, remaining, resetMs }) =>
        `${nameOf(tier, seconds, states.length)};r=${remaining};t=${Math.ceil(resetMs / 1000)}`
    )
    .join(', ')
}
