import { BlockList, isIP } from 'node:net'

/** The server that takes mails, as `MAIL_URL` names it. */
export interface MailServer {
  host: string
  port: number
  /** TLS from the first byte, in place of STARTTLS. */
  secure: boolean
  /** Whether nothing is sent without TLS. */
  requireTLS: boolean
  /** A server on this machine needs no certificate: nothing stands between. */
  tls: { rejectUnauthorized: boolean }
  auth?: { user: string; pass: string }
}

/** The sender of all mails. */
export interface MailSender {
  name: string
  address: string
}

const PORTS: Record<string, { port: number; secure: boolean }> = {
  'smtp:': { port: 587, secure: false },
  'smtps:': { port: 465, secure: true }
}
const ADDRESS = /^[^\s@<>"(),:;\\[\]]+@[^\s@<>"(),:;\\[\]]+$/
const NAMED = /^(?:"([^"\p{Cc}]*)"|([^"<>\p{Cc}]*?))\s*<([^<>]+)>$/u

/**
 * Reads `MAIL_URL`: `smtp://user:password@host:587`, or `smtps://`. A password is only sent through TLS, unless the server is
 * on this machine: in clear text it could be read, and STARTTLS could be left out by what stands between.
 * @throws when it is none; the message continues the name of the setting.
 */
export function readMailUrl(text: string): MailServer {
  const url = URL.parse(text)
  const kind = url && PORTS[url.protocol]
  if (!kind) throw new Error('must begin with smtp:// or smtps://')
  const { username, password, port, pathname, search, hash } = url
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (host === '') throw new Error('must name a host')
  if (search || hash || !/^\/?$/.test(pathname)) throw new Error('must end after the host and its port')
  return {
    host,
    port: port ? Number(port) : kind.port,
    secure: kind.secure,
    requireTLS: username !== '' && !isLoopback(host),
    tls: { rejectUnauthorized: !isLoopback(host) },
    ...(username !== '' && { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } })
  }
}

/** Reads `MAIL_FROM`: `Tenon <no-reply@example.com>`, or the address alone. @throws when it is none. */
export function readSender(text: string): MailSender {
  const [, quoted, plain, inBrackets] = NAMED.exec(text) ?? []
  const address = inBrackets ?? text
  if (!ADDRESS.test(address)) throw new Error('must be an address such as Tenon <no-reply@example.com>')
  return { name: quoted ?? plain ?? '', address }
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

const isLoopback = (host: string) =>
  host === 'localhost' || (isIP(host) !== 0 && loopback.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4'))
