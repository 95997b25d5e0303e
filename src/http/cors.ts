/** What a page on another origin may read of an answer, besides what the Fetch standard always shows it. */
export const EXPOSED_HEADERS = [
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'Idempotency-Replayed',
  'Preference-Applied',
  'Deprecation',
  'Sunset',
  'Allow',
  'ETag',
  'Link',
  'Location',
  'X-Request-Id',
  'Server-Timing',
  'Traceresponse',
  'WWW-Authenticate'
].join(', ')

/** Which origins may call, read once from `CORS_ORIGINS`. */
export interface AllowedOrigins {
  isAny: boolean
  has(origin: string | undefined): boolean
}

const EXAMPLES = 'https://app.example.com, https://*.example.com'

/**
 * Reads `CORS_ORIGINS`: empty (none), `*` (any), or origins separated by commas, of which each may have `*.` in place of
 * its first labels: `https://*.example.com` stands for every name below `example.com`, and not for `example.com` itself.
 * @throws Error with one line for a person when an entry could never match what a browser sends.
 */
export function parseOrigins(text: string): AllowedOrigins {
  if (text === '*') return { isAny: true, has: () => true }
  const exact = new Set<string>()
  const wildcards: { start: string; end: string }[] = []
  for (const entry of text === '' ? [] : text.split(',')) {
    const [, start = '', host = ''] = /^(https?:\/\/)\*(\..+)$/.exec(entry) ?? []
    const origin = originOf(host === '' ? entry : `${start}any${host}`)
    if (origin === undefined) throw new Error(`must be * or origins without a path, comma-separated: ${EXAMPLES}`)
    if (host === '') exact.add(origin)
    else wildcards.push({ start, end: origin.slice(`${start}any`.length) })
  }
  const matches = (origin: string) =>
    wildcards.some(({ start, end }) => {
      const labels = origin.slice(start.length, -end.length)
      return origin.startsWith(start) && origin.endsWith(end) && /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(labels)
    })
  return { isAny: false, has: (origin) => origin !== undefined && (exact.has(origin) || matches(origin)) }
}

// As a browser writes it: in lower case, without the scheme's own port. Undefined for what has a path or a wildcard.
function originOf(text: string): string | undefined {
  const url = URL.parse(text)
  const isOrigin = url !== null && /^https?:$/.test(url.protocol) && !text.includes('*')
  return isOrigin && `${url.origin}/` === url.href && !text.endsWith('/') ? url.origin : undefined
}

/** The headers that let a page read an answer that no hook has seen; none where its origin may not call. */
export function corsHeaders(origins: AllowedOrigins, origin: string | undefined): Record<string, string> {
  if (!origins.has(origin)) return {}
  return {
    'access-control-allow-origin': origins.isAny ? '*' : (origin as string),
    'access-control-expose-headers': EXPOSED_HEADERS
  }
}
