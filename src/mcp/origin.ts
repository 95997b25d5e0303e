import type { AllowedOrigins } from '../http/cors.ts'

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Whether a page of this origin may use the endpoint. A page of a foreign name that was made to resolve to this server (DNS
 * rebinding) sends its own origin, so the Host header says nothing. Allowed are the origins of `CORS_ORIGINS`, the server's
 * own address, and a loopback name with the port of the server. A request without an origin comes from no page.
 * @param own the public URL of the server. @param port the port of the connection.
 */
export function isOriginAllowed(
  origin: string | undefined,
  allowed: AllowedOrigins,
  own: string,
  port?: number
): boolean {
  if (origin === undefined || allowed.isAny || allowed.has(origin) || origin === new URL(own).origin) return true
  const url = URL.parse(origin)
  return url?.protocol === 'http:' && LOOPBACK.has(url.hostname) && Number(url.port || 80) === port
}
