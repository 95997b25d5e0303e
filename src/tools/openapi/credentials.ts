import { MisuseError } from '../misuse.ts'
import type { ApiDocument, Operation } from './document.ts'
import type { HttpRequest } from './request.ts'

/** A way to send a credential: the request with it. */
export type Authorize = (request: HttpRequest, credential: string) => HttpRequest

/**
 * How a key is sent: as the document's first scheme for keys says, an API key before a bearer token before basic.
 * @throws MisuseError when the document has no such scheme.
 */
export function authorizeBy({ components }: ApiDocument): Authorize {
  const schemes = Object.values(components.securitySchemes)
  const key = schemes.find(({ type }) => type === 'apiKey')
  if (key?.in === 'header' && key.name) return withHeader(key.name, (credential) => credential)
  if (key?.in === 'cookie' && key.name) return withHeader('cookie', (credential) => `${key.name}=${credential}`)
  if (key?.in === 'query' && key.name) {
    const name = encodeURIComponent(key.name)
    return (request, credential) => ({
      ...request,
      target: `${request.target}${request.target.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(credential)}`
    })
  }
  const isHttp = (scheme: string) => schemes.some((one) => one.type === 'http' && one.scheme?.toLowerCase() === scheme)
  if (isHttp('bearer') || schemes.some(({ type }) => type === 'oauth2' || type === 'openIdConnect'))
    return withHeader('authorization', (credential) => `Bearer ${credential}`)
  if (isHttp('basic'))
    return withHeader('authorization', (credential) => `Basic ${Buffer.from(credential).toString('base64')}`)
  throw new MisuseError('the document has no security scheme, so that --key cannot be sent: leave it out')
}

function withHeader(name: string, spell: (credential: string) => string): Authorize {
  const field = name.toLowerCase()
  return (request, credential) => ({ ...request, headers: { ...request.headers, [field]: spell(credential) } })
}

/** Whether an operation answers without a credential, as the document has it. */
export const isPublic = ({ security }: Operation) =>
  security.length === 0 || security.some((alternative) => Object.keys(alternative).length === 0)

/** Credentials that no server may take, made from one that it takes. */
export function badCredentials(credential: string): string[] {
  const last = credential.at(-1) === 'a' ? 'b' : 'a'
  return [credential.slice(0, -1) + last, credential.slice(0, -4), `${credential}0`, 'none', 'null']
}
