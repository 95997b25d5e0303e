import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { parse } from 'pg-connection-string'
import type postgres from 'postgres'

/** One server that a database URL names. */
export interface Address {
  /** A name, an IP address, or the folder of a Unix socket. */
  host: string
  port: number
}

/** A `DATABASE_URL`, read once. */
export interface DatabaseUrl {
  /** In the order of the URL. Of several, one takes writes and the others follow it. */
  addresses: Address[]
  /** Hosts, ports and the database: what may be shown of the URL. */
  place: string
  /** Whether a pooler gives a connection for one transaction only: PgBouncer, or Neon's and Supabase's pooled addresses. */
  isPooled: boolean
  /** What postgres.js needs to connect to one of the addresses. */
  optionsFor(address: Address): ConnectOptions
}

export type ConnectOptions = postgres.Options<Record<string, never>> & { connection: { application_name: string } }

/** For `onnotice`: without it postgres.js prints the notices of a server. */
export const ignoreNotice = () => {}

/** A database URL that cannot be used. The message says why, without the URL or a piece of it. */
export class DatabaseUrlError extends Error {
  override name = 'DatabaseUrlError'
}

// `any` hosts in the words of libpq; of several Tenon always takes the one that takes writes.
const SESSION_ATTRS = ['any', 'read-write', 'primary']
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify']
const SSL_WORDS: Record<string, string> = { true: 'verify-full', 1: 'verify-full', false: 'disable', 0: 'disable' }

// Every parameter that is taken, and the values it may have, where they are few. What libpq knows besides would be passed
// over in silence, so it is refused by name.
const PARAMETERS: Record<string, string[] | undefined> = {
  application_name: undefined,
  // postgres.js cannot bind a login to its TLS channel: `sslmode=verify-full` keeps the man in the middle out.
  channel_binding: ['disable', 'prefer', 'require'],
  connect_timeout: undefined,
  host: undefined,
  options: undefined,
  password: undefined,
  pgbouncer: ['true', 'false'],
  port: undefined,
  schema: ['public'],
  ssl: [...Object.keys(SSL_WORDS), ...SSL_MODES],
  sslcert: undefined,
  sslkey: undefined,
  sslmode: SSL_MODES,
  sslnegotiation: ['postgres', 'direct'],
  sslrootcert: undefined,
  target_session_attrs: SESSION_ATTRS,
  user: undefined
}

const DEFAULT_PORT = 5432
const CONNECT_SECONDS = 2

/**
 * Reads a database URL as providers hand it out: Neon, Supabase, RDS, Cloud SQL (`@/name?host=/cloudsql/…`), sockets, IPv6,
 * several hosts, `sslmode` with certificates. `pgbouncer=true` in it, or a host that is named as Neon's and Supabase's
 * pooled ones are, says that a pooler stands between.
 * @throws DatabaseUrlError when it cannot be used.
 */
export function readDatabaseUrl(text: string): DatabaseUrl {
  const [, scheme, authority = '', path = '', rest = ''] = URL_PARTS.exec(text) ?? []
  if (!scheme) throw new DatabaseUrlError('must begin with postgres://')
  // A / ? or # in a password ends the authority too early: the @ after it comes later then.
  if (path.includes('@') || (rest.includes('@') && !authority.includes('@'))) throw notEncoded()
  const query = new URLSearchParams(rest.startsWith('?') ? rest : '')
  checkParameters(query)
  const hosts = authority.slice(authority.lastIndexOf('@') + 1)
  const { user, password, database, ssl } = readSingle(
    `${authority.slice(0, -hosts.length || undefined)}host${path}`,
    query
  )
  const addresses = readAddresses(query.get('host') ?? decode(hosts), query.get('port'))
  const tls = tlsOf(query, ssl as object | undefined)
  const connectSeconds = Number(query.get('connect_timeout') ?? CONNECT_SECONDS)
  return {
    addresses,
    place: `${addresses.map(nameOf).join(',')}${database ? `/${database}` : ''}`,
    isPooled: query.get('pgbouncer') === 'true' || addresses.some(isPooler),
    optionsFor: (address) =>
      // The types of postgres.js know one host and one port only.
      ({
        ...(user && { user }),
        ...(password && { password }),
        ...(database && { database }),
        ...placeOf(address),
        connect_timeout: connectSeconds,
        ssl: tlsFor(address, tls),
        ...(query.has('sslnegotiation') && { sslnegotiation: query.get('sslnegotiation') }),
        connection: {
          application_name: query.get('application_name') ?? 'tenon',
          ...(query.has('options') && { options: query.get('options') as string })
        }
      }) as object as ConnectOptions
  }
}

const URL_PARTS = /^(postgres(?:ql)?):\/\/([^/?#]*)([^?#]*)(.*)$/is

const notEncoded = () =>
  new DatabaseUrlError(
    'cannot be read. In a user name or password, write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A and % as %25'
  )

function checkParameters(query: URLSearchParams): void {
  for (const [name, value] of query) {
    if (!Object.hasOwn(PARAMETERS, name)) {
      // It may be the end of a password with a ? in it.
      const shown = /^[a-z_]{1,30}$/.test(name) ? `the parameter ${name}` : 'a parameter'
      throw new DatabaseUrlError(`has ${shown}, which is unknown; known are ${Object.keys(PARAMETERS).join(', ')}`)
    }
    const values = PARAMETERS[name]
    if (values && !values.includes(value))
      throw new DatabaseUrlError(`has ${name}, which must be ${values.join(' or ')}`)
  }
  if (!/^([1-9]\d?)?$/.test(query.get('connect_timeout') ?? '')) {
    throw new DatabaseUrlError('has connect_timeout, which must be 1 to 99 seconds')
  }
  if (query.has('sslkey') !== query.has('sslcert')) throw new DatabaseUrlError('must have sslcert and sslkey together')
  if (query.get('sslmode') === 'verify-ca' && !query.has('sslrootcert')) {
    throw new DatabaseUrlError('has sslmode=verify-ca, which needs sslrootcert')
  }
}

// The library knows one host, and each sslmode only in its own way: it reads names, the password and the certificates.
function readSingle(url: string, query: URLSearchParams): ReturnType<typeof parse> {
  const asked = new URLSearchParams()
  for (const name of ['user', 'password', 'sslcert', 'sslkey', 'sslrootcert']) {
    const value = query.get(name)
    if (value !== null && value !== 'system') asked.set(name, value)
  }
  try {
    return parse(`postgres://${url}?${asked}`, { useLibpqCompat: true })
  } catch (error) {
    const { syscall, path } = error as NodeJS.ErrnoException
    throw syscall ? new DatabaseUrlError(`names the file ${path}, which cannot be read`) : notEncoded()
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw notEncoded()
  }
}

function readAddresses(hosts: string, ports: string | null): Address[] {
  const apart = ports?.split(',') ?? []
  return hosts.split(',').map((text, index) => {
    const [, ip, name, own] = ADDRESS.exec(text) ?? []
    const port = Number(own || apart[apart.length === 1 ? 0 : index] || DEFAULT_PORT)
    if ((ip === undefined && name === undefined) || (name && /^[^/]*:/.test(name) && isIP(name) !== 6)) {
      throw new DatabaseUrlError('has a host that cannot be read; an IPv6 address stands in brackets, as [::1]')
    }
    if (!(port > 0 && port < 65_536)) throw new DatabaseUrlError('has a port that is not a number from 1 to 65535')
    return { host: ip ?? (name || 'localhost'), port }
  })
}

// [::1]:5432, ::1 as in `host=`, /folder, name:5432
const ADDRESS = /^(?:\[([\da-f:.]+)\]|([\da-f]*:[\da-f]*:[\da-f:.]*|\/.*|[^:[\]]*?))(?::([^:]*))?$/i

const isSocket = ({ host }: Address) => host.startsWith('/')

function nameOf(address: Address): string {
  if (isSocket(address)) return address.host
  return `${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${address.port}`
}

// Supabase's pooler gives whole sessions on port 5432, and transactions on 6543.
const isPooler = ({ host, port }: Address) =>
  host.includes('-pooler.') || (host.endsWith('.pooler.supabase.com') && port === 6543)

// As lists: postgres.js cuts a text at its colons, and an IPv6 address has some.
const placeOf = (address: Address) => ({
  host: [address.host],
  port: [address.port],
  ...(isSocket(address) && { path: `${address.host}/.s.PGSQL.${address.port}` })
})

type Tls = false | 'prefer' | ConnectionOptions

function tlsOf(query: URLSearchParams, certificates: object | undefined): Tls {
  const root = query.get('sslrootcert')
  let mode = query.get('sslmode') ?? SSL_WORDS[query.get('ssl') ?? ''] ?? query.get('ssl')
  mode ??= root ? 'verify-ca' : query.get('sslnegotiation') === 'direct' ? 'require' : 'disable'
  // As libpq: a root certificate is there to be verified by.
  if (root === 'system') mode = 'verify-full'
  else if (root && mode === 'require') mode = 'verify-ca'
  switch (mode) {
    case 'disable':
      return false
    case 'allow':
    case 'prefer':
      return 'prefer'
    case 'verify-ca':
      return { ...certificates, checkServerIdentity: () => undefined }
    case 'verify-full':
      return { ...certificates }
    default:
      return { ...certificates, rejectUnauthorized: false }
  }
}

// postgres.js gives TLS the name to verify, except where it is an IP address: 'localhost' would be verified then.
function tlsFor(address: Address, tls: Tls): Tls {
  if (isSocket(address)) return false
  return typeof tls === 'object' && isIP(address.host) ? { ...tls, host: address.host } : tls
}
