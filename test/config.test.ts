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
    KEEP_ALIVE_TIMEOUT_MS: 72_000,
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
    loadConfig({
      ...given,
      DATABASE_URL: 'postgres://h/d',
      ADMIN_PASSWORD: 'eight characters',
      METRICS_TOKEN: '0123456789abcdef'
    })
  )
  for (const name of names) t.ok(name in given, name)
})

t.test('text becomes numbers and booleans; space around it and empty variables do not count', async (t) => {
  const config = loadConfig({ PORT: ' 0 ', MIGRATE_ON_START: 'false', DATABASE_URL: '  ', UNKNOWN: 'x', HOST: '::1' })
  t.match(config, { PORT: 0, MIGRATE_ON_START: false, JWT_ISSUER: 'http://[::1]:0' })
  t.notOk(config.DATABASE_URL)
  t.notOk('UNKNOWN' in config)
  t.equal(loadConfig({ JWT_ISSUER: 'https://api.example.com' }).JWT_ISSUER, 'https://api.example.com')
})

t.test('mail needs a server only where something needs mail', async (t) => {
  const mail = { MAIL_URL: 'smtp://host', MAIL_FROM: 'a@example.com' }
  t.equal(loadConfig({ NODE_ENV: 'production' }).MAIL_URL, undefined)
  t.equal(loadConfig({ REGISTRATION: 'open' }).MAIL_URL, undefined)
  t.match(loadConfig({ ...mail, NODE_ENV: 'production', REGISTRATION: 'open' }), mail)
  t.match(loadConfig({ ...mail, JOBS: 'off', DATABASE_URL: 'postgres://h/d' }), mail)
})

t.test('links in mails lead to the issuer, or to where MAIL_LINK_URL says', async (t) => {
  t.equal(loadConfig({ JWT_ISSUER: 'https://api.example.com' }).MAIL_LINK_URL, 'https://api.example.com/account')
  t.equal(loadConfig({ MAIL_LINK_URL: 'https://example.com/me/' }).MAIL_LINK_URL, 'https://example.com/me')
})

t.test('a signing key may have its line breaks written out', async (t) => {
  const key = pem('ed25519').trim()
  t.equal(loadConfig({ JWT_PRIVATE_KEY: key.replaceAll('\n', '\\n') }).JWT_PRIVATE_KEY, key)
})

t.test('a wrong value stops the start with one line that names the variable and not its value', async (t) => {
  const refused: [Record<string, string>, RegExp][] = [
    [{ NODE_ENV: 'canary' }, /^NODE_ENV must be one of development, production, test$/],
    [{ LOG_LEVEL: 'canary' }, /^LOG_LEVEL must be one of fatal, /],
    [{ HOST: 'canary canary' }, /^HOST must be a name or an IP address$/],
    [{ PORT: '0x1F' }, /^PORT must be a whole number from 0 to 65535$/],
    [{ PORT: '-1' }, /^PORT must be a whole number/],
    [{ PORT: '65536' }, /^PORT must be a whole number/],
    [{ DATABASE_POOL_MAX: '0' }, /^DATABASE_POOL_MAX must be a whole number from 1 to 1000$/],
    [{ KEEP_ALIVE_TIMEOUT_MS: '1' }, /^KEEP_ALIVE_TIMEOUT_MS must be a whole number from 1000 to 3600000$/],
    [{ MIGRATE_ON_START: 'canary' }, /^MIGRATE_ON_START must be true or false$/],
    [{ DATABASE_URL: 'mysql://root:canary@host/db' }, /^DATABASE_URL must begin with postgres:\/\/$/],
    [{ DATABASE_URL: 'postgres://root:canary/x@host/db' }, /^DATABASE_URL cannot be read\. In a user name or password/],
    [{ WORKERS: '0' }, /^WORKERS must be auto or a number from 1 to 999$/],
    [{ WORKERS: 'all' }, /^WORKERS must be auto/],
    [{ WORKERS: '2' }, /^WORKERS other than 1 needs DATABASE_URL/],
    [{ WORKERS: 'auto', DATABASE_URL: '' }, /^WORKERS other than 1 needs DATABASE_URL/],
    [
      { DATABASE_URL: 'postgres://h/d', DATABASE_REPLICA_URLS: 'mysql://root:canary@host/db' },
      /^DATABASE_REPLICA_URLS must begin with postgres:\/\/$/
    ],
    [
      { DATABASE_URL: 'postgres://h/d', DATABASE_REPLICA_URLS: 'postgres://canary/db,' },
      /^DATABASE_REPLICA_URLS must begin with/
    ],
    [{ DATABASE_REPLICA_URLS: 'postgres://canary/db' }, /^DATABASE_REPLICA_URLS needs DATABASE_URL/],
    [{ ADMIN_EMAIL: 'canary' }, /^ADMIN_EMAIL must be an e-mail address$/],
    [{ ADMIN_PASSWORD: 'canary' }, /^ADMIN_PASSWORD must have 8 to 128 characters$/],
    [{ ADMIN_PASSWORD: 'change-me' }, /^ADMIN_PASSWORD is a placeholder/],
    [{ ADMIN_PASSWORD: 'xxxxxxxxxx' }, /^ADMIN_PASSWORD is a placeholder/],
    [{ METRICS_TOKEN: 'canary' }, /^METRICS_TOKEN must have 16 to 512 characters, without spaces$/],
    [{ METRICS_TOKEN: 'x'.repeat(16) }, /^METRICS_TOKEN is a placeholder/],
    [{ JWT_PRIVATE_KEY: 'canary' }, /^JWT_PRIVATE_KEY must be an Ed25519 private key/],
    [{ JWT_PRIVATE_KEY: '-----BEGIN PRIVATE KEY-----\ncanary' }, /^JWT_PRIVATE_KEY must be an Ed25519 private key/],
    [{ JWT_PRIVATE_KEY: pem('x25519') }, /^JWT_PRIVATE_KEY must be an Ed25519 private key/],
    [{ JWT_ISSUER: 'canary' }, /^JWT_ISSUER must be a URL that begins with https:\/\/ or http:\/\/$/],
    [{ REDIS_URL: 'canary' }, /^REDIS_URL must begin with redis:\/\/ or rediss:\/\/$/],
    [{ CORS_ORIGINS: 'https://a.example/canary' }, /^CORS_ORIGINS must be \* or origins/],
    [{ TRUSTED_ISSUERS: '[canary' }, /^TRUSTED_ISSUERS is not a JSON list$/],
    [{ RATE_LIMIT_TIERS: '{canary' }, /^RATE_LIMIT_TIERS is not JSON$/],
    [{ TRUST_PROXY: 'true' }, /^TRUST_PROXY must be IP addresses or CIDRs/],
    [{ TRUST_PROXY: '10.0.0.1,' }, /^TRUST_PROXY must be/],
    [{ TRUST_PROXY: '10.0.0.256' }, /^TRUST_PROXY must be/],
    [{ TRUST_PROXY: '10.0.0.0/8,10.0.0.0/33' }, /^TRUST_PROXY must be/],
    [{ TRUST_PROXY: 'fd00::/129' }, /^TRUST_PROXY must be/],
    [{ WEBHOOK_ALLOWED_ADDRESSES: 'localhost' }, /^WEBHOOK_ALLOWED_ADDRESSES must be IP addresses or CIDRs/],
    [{ MAIL_URL: 'http://canary' }, /^MAIL_URL must begin with smtp:\/\/ or smtps:\/\/$/],
    [{ MAIL_URL: 'smtp://host', JOBS: 'off' }, /^MAIL_URL needs JOBS=on: with the embedded database/],
    [{ MAIL_URL: 'smtp://host', NODE_ENV: 'production' }, /^MAIL_URL needs MAIL_FROM, the sender, in production$/],
    [{ MAIL_FROM: 'canary' }, /^MAIL_FROM must be an address such as/],
    [{ MAIL_LINK_URL: 'canary' }, /^MAIL_LINK_URL must be a URL/],
    [{ REGISTRATION: 'open', NODE_ENV: 'production' }, /^REGISTRATION open needs MAIL_URL in production/],
    [{ DATABSE_URL: 'canary' }, /^DATABSE_URL is unknown: is DATABASE_URL meant\?$/],
    [{ database_url: 'canary' }, /^database_url is unknown: is DATABASE_URL meant\?$/],
    [{ REDIS_URI: 'canary' }, /^REDIS_URI is unknown: is REDIS_URL meant\?$/],
    [{ JWT_ISSUERS: 'canary' }, /^JWT_ISSUERS is unknown: is JWT_ISSUER meant\?$/]
  ]
  for (const [env, message] of refused) {
    const said = refusal(env)
    t.match(said, message)
    t.notMatch(said, /canary|\n/)
  }
})

t.test('all faults are reported at once', async (t) => {
  t.equal(
    refusal({ PORT: 'x', WORKERS: '0', DATABSE_URL: 'x' }),
    [
      '3 settings are wrong:',
      'PORT must be a whole number from 0 to 65535',
      'WORKERS must be auto or a number from 1 to 999',
      'DATABSE_URL is unknown: is DATABASE_URL meant?'
    ].join('\n  ')
  )
})

t.test('variables of other programs are ignored', async (t) => {
  const others = ['HOSTS', 'PGHOST', 'NODE_PATH', 'NODE_OPTIONS', 'REDIS_PORT', 'REDIS_HOST', 'DATABASE_HOST', 'POSTS']
  t.ok(loadConfig(Object.fromEntries(others.map((name) => [name, 'x']))))
})

t.test('workers are counted, or one for each core', async (t) => {
  const DATABASE_URL = 'postgres://host/db'
  t.equal(loadConfig({ DATABASE_URL, WORKERS: '3' }).WORKERS, 3)
  t.equal(loadConfig({ DATABASE_URL, WORKERS: 'auto' }).WORKERS, availableParallelism())
})

t.test('lists of origins and proxies are accepted', async (t) => {
  for (const origins of ['*', 'https://a.example', 'http://localhost:5173,https://b.example']) {
    t.equal(loadConfig({ CORS_ORIGINS: origins }).CORS_ORIGINS, origins)
  }
  for (const proxies of ['10.0.0.1', '10.0.0.0/8,192.168.0.0/16', 'fd00::/8,::1', '127.0.0.1/0']) {
    t.equal(loadConfig({ TRUST_PROXY: proxies }).TRUST_PROXY, proxies)
  }
})
