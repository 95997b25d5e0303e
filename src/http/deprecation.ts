import type { onSendAsyncHookHandler } from 'fastify'
import { RouteError } from './route-checks.ts'

/** The end of something, announced ahead. Dates are RFC 3339. */
export interface Deprecation {
  /** When it was, or will be, deprecated. */
  since: string
  /** When it stops working. */
  sunset?: string
  /** The path of what comes after it: `/api/v2/products`. */
  successor?: string
}

/**
 * The hook that announces the end of a route on each of its answers: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and
 * a `Link` to what comes after (RFC 5829).
 * @throws RouteError for what is no date.
 */
export function announce({ since, sunset, successor }: Deprecation): onSendAsyncHookHandler {
  const headers = {
    deprecation: `@${Math.floor(dateOf(since).getTime() / 1000)}`,
    ...(sunset !== undefined && { sunset: dateOf(sunset).toUTCString() })
  }
  const link = successor === undefined ? [] : [`<${successor}>; rel="successor-version"`]
  return async function announceDeprecation(_request, reply) {
    // A list has links of its own, to its other pages.
    const links = [...[reply.getHeader('link') ?? []].flat(), ...link].join(', ')
    reply.headers({ ...headers, ...(links !== '' && { link: links }) })
  }
}

function dateOf(text: string): Date {
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) throw new RouteError(`deprecated: '${text}' is not a date`)
  return date
}
