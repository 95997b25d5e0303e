import { createPrivateKey } from 'node:crypto'
import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { closest, distance } from 'fastest-levenshtein'
import { readDatabaseUrl } from './db/postgres/url.ts'
import { parseOrigins } from './http/cors.ts'
import { parseTrustedIssuers } from './identity/external/trusted-issuers.ts'
import { passwordFault } from './identity/passwords/policy.ts'
import { parseTiers } from './limits/tiers.ts'
import { readMailUrl, readSender } from './mail/settings.ts'
import { isNetwork } from './schema/networks.ts'

const words = (text: string) => ({ expected: text })

const HttpUrl = Type.String({
  pattern: '^https?://[^\\s]+$',
  ...words('must be a URL that begins with https:// or http://')
})

const LOCAL_SENDER = 'Tenon <tenon@localhost>'

// `expected` describes the allowed values in words; a number, a choice and a boolean describe themselves.
const Environment = Type.Object({
  NODE_ENV: Type.Union([Type.Literal('development'), Type.Literal('production'), Type.Literal('test')], {
    default: 'development'
  }),
  HOST: Type.String({
    pattern: '^[A-Za-z0-9.:_-]+$',
    default: '127.0.0.1',
    ...words('must be a name or an IP address')
  }),
  PORT: Type.Integer({ minimum: 0, maximum: 65_535, default: 3000 }),
  LOG_LEVEL: Type.Union(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) => Type.Literal(level)),
    { default: 'info' }
  ),
  DATABASE_URL: Type.Optional(Type.String()),
  DATABASE_REPLICA_URLS: Type.String({ default: '' }),
  DATABASE_POOL_MAX: Type.Integer({ minimum: 1, maximum: 1000, default: 10 }),
  DATA_DIR: Type.String({ default: '.data' }),
  ADMIN_EMAIL: Type.String({
    pattern: '^[^@\\s]+@[^@\\s]+$',
    maxLength: 254,
    default: 'admin@example.com',
    ...words('must be an e-mail address')
  }),
  ADMIN_PASSWORD: Type.Optional(
    Type.String({ minLength: 8, maxLength: 128, ...words('must have 8 to 128 characters') })
  ),
  REGISTRATION: Type.Union([Type.Literal('open'), Type.Literal('closed')], { default: 'closed' }),
  JWT_PRIVATE_KEY: Type.Optional(Type.String()),
  JWT_ISSUER: Type.Optional(HttpUrl),
  JWT_AUDIENCE: Type.String({ default: 'tenon' }),
  TRUSTED_ISSUERS: Type.String({ default: '' }),
  OAUTH_PASSWORD_GRANT: Type.Boolean({ default: false }),
  RATE_LIMIT_ENABLED: Type.Boolean({ default: true }),
  RATE_LIMIT_TIERS: Type.Optional(Type.String()),
  REDIS_URL: Type.Optional(Type.String({ pattern: '^rediss?://', ...words('must begin with redis:// or rediss://') })),
  CORS_ORIGINS: Type.String({ default: '' }),
  TRUST_PROXY: Type.String({ default: '' }),
  WORKERS: Type.String({
    pattern: '^(auto|[1-9][0-9]{0,2})$',
    default: '1',
    ...words('must be auto or a number from 1 to 999')
  }),
  SHUTDOWN_GRACE_MS: Type.Integer({ minimum: 0, maximum: 600_000, default: 10_000 }),
  KEEP_ALIVE_TIMEOUT_MS: Type.Integer({ minimum: 1000, maximum: 3_600_000, default: 72_000 }),
  METRICS_TOKEN: Type.Optional(
    Type.String({ pattern: '^[!-~]{16,512}$', ...words('must have 16 to 512 characters, without spaces') })
  ),
  WEBHOOK_ALLOWED_ADDRESSES: Type.String({ default: '' }),
  MAIL_URL: Type.Optional(Type.String()),
  MAIL_FROM: Type.String({ maxLength: 320, default: LOCAL_SENDER }),
  MAIL_LINK_URL: Type.Optional(HttpUrl),
  RATES_URL: Type.Optional(HttpUrl),
  EVENT_RETENTION_DAYS: Type.Integer({ minimum: 1, maximum: 36_500, default: 30 }),
  MCP_ENABLED: Type.Boolean({ default: true }),
  JOBS: Type.Union([Type.Literal('on'), Type.Literal('off')], { default: 'on' }),
  MIGRATE_ON_START: Type.Boolean({ default: true })
})

type Name = keyof typeof Environment.properties

/** The whole configuration: every environment variable, typed, with its default filled in. */
export type Config = Omit<Static<typeof Environment>, 'WORKERS'> & {
  JWT_ISSUER: string
  /** Where the links in mails lead. */
  MAIL_LINK_URL: string
  /** The number of processes that serve. */
  WORKERS: number
}

const PLACEHOLDER = /^(change[-_ ]?me|placeholder|secret|password|example|your[-_ ].*|x+)$/i

/** Variables that stop the start. The message is for a person: a line for each fault, without the values. */
export class ConfigError extends Error {
  override name = 'ConfigError'

  constructor(faults: string[]) {
    const list = faults.map((fault) => `\n  ${fault}`).join('')
    super(faults.length === 1 ? (faults[0] as string) : `${faults.length} settings are wrong:${list}`)
  }
}

/**
 * Reads the configuration from an environment.
 * An empty variable counts as not set, so that `DATABASE_URL=` in a `.env` file means the embedded database.
 * @throws ConfigError naming every variable that is missing, of an unknown value, weak, or of a mistyped name.
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const given: Record<string, unknown> = {}
  for (const name of Object.keys(Environment.properties) as Name[]) {
    const text = env[name]?.trim()
    if (text) given[name] = fromText(name, text)
  }
  const filled = Value.Default(Environment, given) as Static<typeof Environment>
  const faults = new Map<string, string>()
  for (const { path } of Value.Errors(Environment, filled)) {
    const name = path.slice(1) as Name
    faults.set(name, explain(Environment.properties[name]))
  }
  for (const [name, check] of Object.entries(CHECKS)) {
    if (!faults.has(name) && filled[name as Name] !== undefined) findFault(faults, name, () => check(filled))
  }
  for (const [name, meant] of mistyped(env)) faults.set(name, `is unknown: is ${meant} meant?`)
  if (faults.size > 0) throw new ConfigError([...faults].map(([name, fault]) => `${name} ${fault}`))
  const { WORKERS, HOST, PORT, JWT_ISSUER = `http://${isIP(HOST) === 6 ? `[${HOST}]` : HOST}:${PORT}` } = filled
  return {
    ...filled,
    WORKERS: WORKERS === 'auto' ? availableParallelism() : Number(WORKERS),
    JWT_ISSUER,
    // Never the Host header of a request: its sender could have a link of its own sent to another user.
    MAIL_LINK_URL: (filled.MAIL_LINK_URL ?? `${JWT_ISSUER}/account`).replace(/\/+$/, '')
  }
}

type Given = Static<typeof Environment>

// Checks beyond a schema: each throws an error with a message that continues the name of the variable.
const CHECKS: Partial<Record<Name, (config: Given) => unknown>> = {
  DATABASE_URL: ({ DATABASE_URL }) => readDatabaseUrl(DATABASE_URL as string),
  DATABASE_REPLICA_URLS({ DATABASE_REPLICA_URLS, DATABASE_URL }) {
    if (!DATABASE_REPLICA_URLS) return
    if (!DATABASE_URL) throw new Error('needs DATABASE_URL: the primary of the replicas')
    for (const url of DATABASE_REPLICA_URLS.split(',')) readDatabaseUrl(url)
  },
  ADMIN_PASSWORD({ ADMIN_PASSWORD, ADMIN_EMAIL }) {
    if (PLACEHOLDER.test(ADMIN_PASSWORD as string)) throw new Error('is a placeholder: choose a real one')
    const fault = passwordFault(ADMIN_PASSWORD as string, ADMIN_EMAIL)
    if (fault) throw new Error(fault.message)
  },
  REGISTRATION({ REGISTRATION, NODE_ENV, MAIL_URL }) {
    if (REGISTRATION === 'closed' || NODE_ENV !== 'production' || MAIL_URL) return
    throw new Error('open needs MAIL_URL in production: those that register can reset a lost password by mail only')
  },
  MAIL_URL({ MAIL_URL, MAIL_FROM, NODE_ENV, JOBS, DATABASE_URL }) {
    readMailUrl(MAIL_URL as string)
    if (NODE_ENV === 'production' && MAIL_FROM === LOCAL_SENDER)
      throw new Error('needs MAIL_FROM, the sender, in production')
    if (JOBS === 'on' || DATABASE_URL) return
    throw new Error('needs JOBS=on: with the embedded database no other process can send the mails')
  },
  MAIL_FROM: ({ MAIL_FROM }) => readSender(MAIL_FROM),
  METRICS_TOKEN({ METRICS_TOKEN }) {
    if (PLACEHOLDER.test(METRICS_TOKEN as string)) throw new Error('is a placeholder: choose a real one')
  },
  JWT_PRIVATE_KEY({ JWT_PRIVATE_KEY }) {
    if (!isSigningKey(JWT_PRIVATE_KEY as string)) throw new Error('must be an Ed25519 private key (PKCS #8, PEM)')
  },
  CORS_ORIGINS: ({ CORS_ORIGINS }) => parseOrigins(CORS_ORIGINS),
  TRUSTED_ISSUERS: ({ TRUSTED_ISSUERS, JWT_AUDIENCE }) => parseTrustedIssuers(TRUSTED_ISSUERS, JWT_AUDIENCE),
  RATE_LIMIT_TIERS: ({ RATE_LIMIT_TIERS }) => parseTiers(RATE_LIMIT_TIERS),
  TRUST_PROXY: ({ TRUST_PROXY }) => assertNetworks(TRUST_PROXY),
  WEBHOOK_ALLOWED_ADDRESSES: ({ WEBHOOK_ALLOWED_ADDRESSES }) => assertNetworks(WEBHOOK_ALLOWED_ADDRESSES),
  WORKERS({ WORKERS, DATABASE_URL }) {
    if (WORKERS !== '1' && !DATABASE_URL) {
      throw new Error('other than 1 needs DATABASE_URL: one process owns the embedded database')
    }
  }
}

function findFault(faults: Map<string, string>, name: string, check: () => unknown): void {
  try {
    check()
  } catch (error) {
    faults.set(name, (error as Error).message)
  }
}

// A short name is close to too many other names.
const MIN_TYPED_LENGTH = 6
const MAX_DISTANCE = 2

/** Unknown variables that differ by a letter or two from a known one, each with the likely name. */
function mistyped(env: Record<string, string | undefined>): [name: string, meant: string][] {
  const known = Object.keys(Environment.properties)
  const unknown = Object.keys(env).filter((name) => name.length >= MIN_TYPED_LENGTH && !known.includes(name))
  return unknown.flatMap((name) => {
    const meant = closest(name.toUpperCase(), known)
    const most = meant.length < 10 ? 1 : MAX_DISTANCE
    return distance(name.toUpperCase(), meant) <= most ? [[name, meant] as [string, string]] : []
  })
}

function fromText(name: Name, text: string): unknown {
  const { type } = Environment.properties[name] as { type?: string }
  if (type === 'integer' && /^\d+$/.test(text)) return Number(text)
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true'
  return name === 'JWT_PRIVATE_KEY' ? text.replaceAll('\\n', '\n') : text
}

function isSigningKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'ed25519'
  } catch {
    return false
  }
}

function assertNetworks(list: string): void {
  const areNetworks = list === '' || list.split(',').every(isNetwork)
  if (!areNetworks) throw new Error('must be IP addresses or CIDRs such as 10.0.0.0/8, comma-separated')
}

interface Explained {
  anyOf?: { const: string }[]
  type?: string
  minimum?: number
  maximum?: number
  expected?: string
}

function explain({ anyOf, type, minimum, maximum, expected }: Explained): string {
  if (anyOf) return `must be one of ${anyOf.map((one) => one.const).join(', ')}`
  if (type === 'boolean') return 'must be true or false'
  if (type === 'integer') return `must be a whole number from ${minimum} to ${maximum}`
  return expected as string
}
