import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import t from 'tap'
import { ConfigError, loadConfig } from '#src/config.ts'

const pem = (type: 'ed25519' | 'x25519') =>
  generateKeyPairSync(type as 'ed25519')
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString()

function refusal(env: Record<string, string>): string {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error(`was accepted: ${Object.keys(env)}`)
}

t.test('an empty environment is a complete configuration', async (t) => {
  const config = loadConfig({})
  t.match(config, {
    NODE_ENV: 'development',
    HOST: '127.0.0.1',
    PORT: 3000,
    LOG_LEVEL: 'info',
    DATABASE_POOL_MAX: 10,
    DATA_DIR: '.data',
    ADMIN_EMAIL: 'admin@example.com',
    JWT_ISSUER: 'http://127.0.0.1:3000',
    JWT_AUDIENCE: 'tenon',
    CORS_ORIGINS: '',
    TRUST_PROXY: '',
    SHUTDOWN_GRACE_MS: 10_000,
    MIGRATE_ON_START: true,
    WORKERS: 1
  })
  t.notOk(config.DATABASE_URL)
})

t.test('.env.example lists every setting with its default', async (t) => {
  const example = readFileSync(new URL('../.env.example', import.meta.url), 'utf8')
  const lines = example.split('\n').filter((line) => /^[A-Z_]+=/.test(line))
  const given = Object.fromEntries(lines.map((line) => line.split(/=(.*)/).slice(0, 2)))
  t.same(loadConfig(given), loadConfig({}))
  const names = Object.keys(
    loadConfig({ ...given, DATABASE_URL: 'postgres://h/d', ADMIN_PASSWORD: 'eight characters' })
  )
  for (const name of names) t.ok(name in given, name)
})

t.test('text becomes numbers and booleans; space around it and empty variables do not count', async (t) => {
  const config = loadConfig({ PORT: ' 0 ', MIGRATE_ON_START: 'false', DATABASE_URL: '  ', UNKNOWN: 'x', HOST: '::1' })
  t.match(config, { PORT: 0, MIGRATE_ON_START: false, JWT_ISSUER: 'http://::1:0' })
  t.notOk(config.DATABASE_URL)
  t.notOk('UNKNOWN' in config)
  t.equal(loadConfig({ JWT_ISSUER: 'https://api.example.com' }).JWT_ISSUER, 'https://api.example.com')
})

t.test('a signing key may have its line breaks written out', async (t) => {
  const key = pem('ed25519').trim()
  t.equal(loadConfig({ JWT_PRIVATE_KEY: key.replaceAll('\n', '\\n') }).JWT_PRIVATE_KEY, key)
})

t.test('what is wrong stops the start with one line that names the variable and not its value', async (t) => {
  const refused: [Record<string, string>, RegExp][] = [
    [{ NODE_ENV: 'canary' }, /^NODE_ENV must be one of development, production, test$/],
    [{ LOG_LEVEL: 'canary' }, /^LOG_LEVEL must be one of fatal, /],
    [{ PORT: '0x1F' }, /^PORT is refused: expected integer$/],
    [{ PORT: '-1' }, /^PORT /],
    [{ PORT: '65536' }, /^PORT is refused: /],
    [{ DATABASE_POOL_MAX: '0' }, /^DATABASE_POOL_MAX is refused: /],
    [{ MIGRATE_ON_START: 'canary' }, /^MIGRATE_ON_START must be true or false$/],
    [{ DATABASE_URL: 'mysql://root:canary@host/db' }, /^DATABASE_URL must match /],
    [{ WORKERS: '0' }, /^WORKERS must match /],
    [{ WORKERS: 'all' }, /^WORKERS must match /],
    [{ WORKERS: '2' }, /^WORKERS other than 1 needs DATABASE_URL/],
    [{ WORKERS: 'auto', DATABASE_URL: '' }, /^WORKERS other than 1 needs DATABASE_URL/],
    [{ DATABASE_REPLICA_URLS: 'mysql://root:canary@host/db' }, /^DATABASE_REPLICA_URLS must match /],
    [{ DATABASE_REPLICA_URLS: 'postgres://canary/db,' }, /^DATABASE_REPLICA_URLS must match /],
    [{ DATABASE_REPLICA_URLS: 'postgres://canary/db' }, /^DATABASE_REPLICA_URLS needs DATABASE_URL/],
    [{ ADMIN_EMAIL: 'canary' }, /^ADMIN_EMAIL must match /],
    [{ ADMIN_PASSWORD: 'canary' }, /^ADMIN_PASSWORD is refused: /],
    [{ ADMIN_PASSWORD: 'change-me' }, /^ADMIN_PASSWORD is a placeholder/],
    [{ ADMIN_PASSWORD: 'xxxxxxxxxx' }, /^ADMIN_PASSWORD is a placeholder/],
    [{ JWT_PRIVATE_KEY: 'canary' }, /^JWT_PRIVATE_KEY must match /],
    [{ JWT_PRIVATE_KEY: '-----BEGIN PRIVATE KEY-----\ncanary' }, /^JWT_PRIVATE_KEY is not an Ed25519 private key/],
    [{ JWT_PRIVATE_KEY: pem('x25519') }, /^JWT_PRIVATE_KEY is not an Ed25519 private key/],
    [{ JWT_ISSUER: 'canary' }, /^JWT_ISSUER must match /],
    [{ CORS_ORIGINS: 'https://a.example/canary' }, /^CORS_ORIGINS must be \* or origins /],
    [{ TRUSTED_ISSUERS: '[canary' }, /^TRUSTED_ISSUERS is not a JSON list$/],
    [{ TRUST_PROXY: 'true' }, /^TRUST_PROXY must match /],
    [{ TRUST_PROXY: '10.0.0.1,' }, /^TRUST_PROXY must match /],
    [{ TRUST_PROXY: '10.0.0.256' }, /^TRUST_PROXY must be addresses or CIDRs/],
    [{ TRUST_PROXY: '10.0.0.0/8,10.0.0.0/33' }, /^TRUST_PROXY must be addresses or CIDRs/],
    [{ TRUST_PROXY: 'fd00::/129' }, /^TRUST_PROXY must be addresses or CIDRs/]
  ]
  for (const [env, message] of refused) {
    const said = refusal(env)
    t.match(said, message)
    t.notMatch(said, /canary|\n/)
  }
})

t.test('workers are counted, or one for each core', async (t) => {
  const DATABASE_URL = 'postgres://host/db'
  t.equal(loadConfig({ DATABASE_URL, WORKERS: '3' }).WORKERS, 3)
  t.equal(loadConfig({ DATABASE_URL, WORKERS: 'auto' }).WORKERS, availableParallelism())
})

t.test('lists of origins and proxies are taken', async (t) => {
  for (const origins of ['*', 'https://a.example', 'http://localhost:5173,https://b.example']) {
    t.equal(loadConfig({ CORS_ORIGINS: origins }).CORS_ORIGINS, origins)
  }
  for (const proxies of ['10.0.0.1', '10.0.0.0/8,192.168.0.0/16', 'fd00::/8,::1', '127.0.0.1/0']) {
    t.equal(loadConfig({ TRUST_PROXY: proxies }).TRUST_PROXY, proxies)
  }
})
