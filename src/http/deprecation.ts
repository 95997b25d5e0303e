import type { onSendAsyncHookHandler } from 'fastify'
import type { Declaration, Deprecation } from '../resource/declaration.ts'
import { DeclarationError } from '../resource/model.ts'

/** The announced end of one operation of a resource, or undefined when it goes on. */
export function deprecationOf({ deprecated }: Declaration, operation: string): Deprecation | undefined {
  return deprecated && 'since' in deprecated ? (deprecated as Deprecation) : deprecated?.[operation]
}

/**
 * The hook that announces the end of a route on each of its answers: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and
 * a `Link` to what comes after (RFC 5829).
 * @throws DeclarationError for what is no date.
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
  if (Number.isNaN(date.getTime())) throw new DeclarationError(`deprecated: '${text}' is not a date`)
  return date
}
