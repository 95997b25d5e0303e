/** What a `DATABASE_URL` says besides what the driver reads in it. */
export interface DatabaseUrl {
  /** The URL for the driver. */
  url: string
  /** Host and port: what may be shown of the URL. */
  place: string
  /** Whether a pooler gives a connection for one transaction only: PgBouncer, or Neon's pooled addresses. */
  isPooled: boolean
}

/**
 * Reads a database URL. `pgbouncer=true` in it, or a host as Neon names its pooled ones (`ep-…-pooler.…`), says that a
 * pooler stands between. Not parsed as a URL, because it may name several hosts.
 */
export function readDatabaseUrl(text: string): DatabaseUrl {
  const [, place] = /^[^:]+:\/\/(?:.*@)?([^/?]*)/.exec(text) as unknown as [string, string]
  // PostgreSQL would take it for a setting of its own.
  const url = text.replace(/(?<=[?&])pgbouncer=[^&]*&?/, '').replace(/[?&]$/, '')
  return { url, place, isPooled: /[?&]pgbouncer=true(&|$)/.test(text) || place.includes('-pooler.') }
}
