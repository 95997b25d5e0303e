import { createPrivateKey } from 'node:crypto'
import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { parseOrigins } from './http/cors.ts'
import { parseTrustedIssuers } from './identity/external/trusted-issuers.ts'
import { parseTiers } from './limits/tiers.ts'

const Environment = Type.Object({
  NODE_ENV: Type.Union([Type.Literal('development'), Type.Literal('production'), Type.Literal('test')], {
    default: 'development'
  }),
  HOST: Type.String({ minLength: 1, default: '127.0.0.1' }),
  PORT: Type.Integer({ minimum: 0, maximum: 65_535, default: 3000 }),
  LOG_LEVEL: Type.Union(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) => Type.Literal(level)),
    { default: 'info' }
  ),
  DATABASE_URL: Type.Optional(Type.String({ pattern: '^postgres(ql)?://' })),
  DATABASE_REPLICA_URLS: Type.String({
    pattern: '^$|^postgres(ql)?://[^,\\s]+(,postgres(ql)?://[^,\\s]+)*$',
    default: ''
  }),
  DATABASE_POOL_MAX: Type.Integer({ minimum: 1, maximum: 1000, default: 10 }),
  DATA_DIR: Type.String({ minLength: 1, default: '.data' }),
  ADMIN_EMAIL: Type.String({ pattern: '^[^@\\s]+@[^@\\s]+$', maxLength: 254, default: 'admin@example.com' }),
  ADMIN_PASSWORD: Type.Optional(Type.String({ minLength: 8, maxLength: 128 })),
  REGISTRATION: Type.Union([Type.Literal('open'), Type.Literal('closed')], { default: 'closed' }),
  JWT_PRIVATE_KEY: Type.Optional(Type.String({ pattern: '^-----BEGIN PRIVATE KEY-----' })),
  JWT_ISSUER: Type.Optional(Type.String({ pattern: '^https?://' })),
  JWT_AUDIENCE: Type.String({ minLength: 1, default: 'tenon' }),
  TRUSTED_ISSUERS: Type.String({ default: '' }),
  OAUTH_PASSWORD_GRANT: Type.Boolean({ default: false }),
  RATE_LIMIT_ENABLED: Type.Boolean({ default: true }),
  RATE_LIMIT_TIERS: Type.Optional(Type.String()),
  REDIS_URL: Type.Optional(Type.String({ pattern: '^rediss?://' })),
  CORS_ORIGINS: Type.String({ default: '' }),
  TRUST_PROXY: Type.String({ pattern: '^([0-9a-fA-F.:]+(/[0-9]{1,3})?(,(?!$)|$))*$', default: '' }),
  WORKERS: Type.String({ pattern: '^(auto|[1-9][0-9]{0,2})$', default: '1' }),
  SHUTDOWN_GRACE_MS: Type.Integer({ minimum: 0, maximum: 600_000, default: 10_000 }),
  MIGRATE_ON_START: Type.Boolean({ default: true })
})

/** The whole configuration: every environment variable, typed, with its default filled in. */
export type Config = Omit<Static<typeof Environment>, 'WORKERS'> & {
  JWT_ISSUER: string
  /** How many processes serve. */
  WORKERS: number
}

const PLACEHOLDER = /^(change[-_ ]?me|placeholder|secret|password|example|your[-_ ].*|x+)$/i

/** A variable that stops the start. Its message is one line for a person, without the value. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/**
 * Reads the configuration from an environment.
 * An empty variable counts as not set, so that `DATABASE_URL=` in a `.env` file means the embedded database.
 * @throws ConfigError naming the first variable that is missing, of an unknown value, or weak.
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const given: Record<string, unknown> = {}
  for (const name of Object.keys(Environment.properties)) {
    const text = env[name]?.trim()
    if (text) given[name] = fromText(name as keyof typeof Environment.properties, text)
  }
  const filled = Value.Default(Environment, given)
  const fault = Value.Errors(Environment, filled).First()
  if (fault) throw new ConfigError(`${fault.path.slice(1)} ${explain(fault.schema as Explained, fault.message)}`)
  const { WORKERS, ...others } = filled as Static<typeof Environment>
  const config = { ...others, WORKERS: WORKERS === 'auto' ? availableParallelism() : Number(WORKERS) } as Config
  if (WORKERS !== '1' && !config.DATABASE_URL) {
    throw new ConfigError('WORKERS other than 1 needs DATABASE_URL: one process owns the embedded database')
  }
  if (config.DATABASE_REPLICA_URLS && !config.DATABASE_URL) {
    throw new ConfigError('DATABASE_REPLICA_URLS needs DATABASE_URL: the primary of the replicas')
  }
  if (config.ADMIN_PASSWORD && PLACEHOLDER.test(config.ADMIN_PASSWORD)) {
    throw new ConfigError('ADMIN_PASSWORD is a placeholder: choose a real one')
  }
  if (config.JWT_PRIVATE_KEY && !isSigningKey(config.JWT_PRIVATE_KEY)) {
    throw new ConfigError('JWT_PRIVATE_KEY is not an Ed25519 private key (PKCS #8, PEM)')
  }
  if (config.TRUST_PROXY && !config.TRUST_PROXY.split(',').every(isNetwork)) {
    throw new ConfigError('TRUST_PROXY must be addresses or CIDRs, comma-separated')
  }
  checkPart('CORS_ORIGINS', () => parseOrigins(config.CORS_ORIGINS))
  checkPart('TRUSTED_ISSUERS', () => parseTrustedIssuers(config.TRUSTED_ISSUERS, config.JWT_AUDIENCE))
  checkPart('RATE_LIMIT_TIERS', () => parseTiers(config.RATE_LIMIT_TIERS))
  config.JWT_ISSUER ??= `http://${config.HOST}:${config.PORT}`
  return config
}

function checkPart(name: string, parse: () => unknown): void {
  try {
    parse()
  } catch (error) {
    throw new ConfigError(`${name} ${(error as Error).message}`)
  }
}

function fromText(name: keyof typeof Environment.properties, text: string): unknown {
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

function isNetwork(text: string): boolean {
  const [address, prefix = '0'] = text.split('/') as [string, string?]
  const version = isIP(address)
  return version !== 0 && Number(prefix) <= (version === 4 ? 32 : 128)
}

interface Explained {
  anyOf?: { const: string }[]
  type?: string
  pattern?: string
}

function explain(schema: Explained, message: string): string {
  if (schema.anyOf) return `must be one of ${schema.anyOf.map((one) => one.const).join(', ')}`
  if (schema.type === 'boolean') return 'must be true or false'
  if (schema.pattern) return `must match ${schema.pattern}`
  return `is refused: ${message.toLowerCase()}`
}
