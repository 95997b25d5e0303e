import { join } from 'node:path'
import t from 'tap'
import { DatabaseUrlError, readDatabaseUrl } from '#src/db/postgres/url.ts'

const folder = t.testdir({ 'root.crt': 'ROOT', 'client.crt': 'CERT', 'client.key': 'KEY' })
const file = (name: string) => join(folder, name)

const read = (text: string) => {
  const url = readDatabaseUrl(text)
  return { ...url, options: url.addresses.map((address) => url.optionsFor(address)) }
}
const refusal = (text: string) => {
  try {
    readDatabaseUrl(text)
  } catch (error) {
    if (error instanceof DatabaseUrlError) return error.message
    throw error
  }
  throw new Error('was accepted')
}

t.test('URLs as providers hand them out say where the database is', async (t) => {
  const forms: [text: string, place: string, isPooled: boolean, options: object][] = [
    [
      'postgres://u:p@db.example',
      'db.example:5432',
      false,
      { host: ['db.example'], port: [5432], user: 'u', pass: undefined, password: 'p' }
    ],
    ['postgresql://u@db.example:1/d', 'db.example:1/d', false, { port: [1], database: 'd' }],
    ['postgres://db.example/d?user=u&password=p%26q', 'db.example:5432/d', false, { user: 'u', password: 'p&q' }],
    ['postgres:///d', 'localhost:5432/d', false, { host: ['localhost'] }],
    // Neon
    [
      'postgresql://u:p@ep-x-pooler.eu.aws.neon.tech/d?sslmode=require&channel_binding=require',
      'ep-x-pooler.eu.aws.neon.tech:5432/d',
      true,
      { ssl: { rejectUnauthorized: false } }
    ],
    ['postgres://u:p@h/d?options=endpoint%3Dep-x', 'h:5432/d', false, { connection: { options: 'endpoint=ep-x' } }],
    // Supabase: sessions on 5432, transactions on 6543
    [
      'postgres://postgres.ref:p@aws-0-eu.pooler.supabase.com:6543/postgres',
      'aws-0-eu.pooler.supabase.com:6543/postgres',
      true,
      { user: 'postgres.ref' }
    ],
    [
      'postgres://postgres.ref:p@aws-0-eu.pooler.supabase.com:5432/postgres',
      'aws-0-eu.pooler.supabase.com:5432/postgres',
      false,
      {}
    ],
    // RDS
    [
      `postgres://u:p@x.rds.amazonaws.com/d?sslmode=verify-full&sslrootcert=${file('root.crt')}`,
      'x.rds.amazonaws.com:5432/d',
      false,
      { ssl: { ca: 'ROOT' } }
    ],
    // Cloud SQL, and other sockets
    [
      'postgres://u:p@/d?host=/cloudsql/a:b:c',
      '/cloudsql/a:b:c/d',
      false,
      { path: '/cloudsql/a:b:c/.s.PGSQL.5432', password: 'p', database: 'd' }
    ],
    ['postgres://u@%2Fvar%2Frun%2Fpg/d', '/var/run/pg/d', false, { path: '/var/run/pg/.s.PGSQL.5432', ssl: false }],
    ['postgres:///d?host=/tmp&port=5433&sslmode=require', '/tmp/d', false, { path: '/tmp/.s.PGSQL.5433', ssl: false }],
    // IPv6
    ['postgres://u@[::1]:5433/d', '[::1]:5433/d', false, { host: ['::1'], port: [5433] }],
    ['postgres://u@/d?host=::1', '[::1]:5432/d', false, { host: ['::1'] }],
    // PgBouncer
    ['postgres://a:b@c/d?pgbouncer=true', 'c:5432/d', true, {}],
    ['postgres://a:b@c/d?pgbouncer=false&schema=public', 'c:5432/d', false, {}],
    [
      'postgres://a@c/d?application_name=shop&connect_timeout=9',
      'c:5432/d',
      false,
      { connection: { application_name: 'shop' }, connect_timeout: 9 }
    ],
    // A colon and an @ are understood as they are; the rest must be encoded.
    ['postgres://u:p:q@ss@c/d', 'c:5432/d', false, { password: 'p:q@ss' }],
    ['postgres://u:%2F%3F%23@c/d%20e', 'c:5432/d e', false, { password: '/?#', database: 'd e' }]
  ]
  for (const [text, place, isPooled, options] of forms) {
    const url = read(text)
    t.match({ place: url.place, isPooled: url.isPooled }, { place, isPooled }, text)
    t.match(url.options[0], options, text)
  }
  t.same(read('postgres://a@c/d').options[0], {
    user: 'a',
    database: 'd',
    host: ['c'],
    port: [5432],
    connect_timeout: 2,
    ssl: false,
    connection: { application_name: 'tenon' }
  })
})

t.test('several hosts each have their port, or share one', async (t) => {
  const places: [text: string, ports: string][] = [
    ['postgres://u:p@a,b:2,[::1]:3/d?target_session_attrs=read-write', 'a:5432,b:2,[::1]:3/d'],
    ['postgres://u:p@/d?host=a,b&port=1,2', 'a:1,b:2/d'],
    ['postgres://u:p@/d?host=a,b&port=1', 'a:1,b:1/d']
  ]
  for (const [text, place] of places) t.equal(read(text).place, place)
})

t.test('every sslmode means what libpq says', async (t) => {
  const root = `&sslrootcert=${file('root.crt')}`
  const unverified = { rejectUnauthorized: false }
  const byRoot = { ca: 'ROOT', isAnyName: true }
  const modes: [query: string, ssl: unknown][] = [
    ['', false],
    ['sslmode=disable', false],
    ['ssl=0', false],
    ['sslmode=allow', 'prefer'],
    ['sslmode=prefer', 'prefer'],
    ['sslmode=require', unverified],
    ['sslmode=no-verify', unverified],
    ['ssl=require', unverified],
    ['sslnegotiation=direct', unverified],
    [`sslmode=require${root}`, byRoot],
    [`sslmode=verify-ca${root}`, byRoot],
    [root.slice(1), byRoot],
    [`sslmode=verify-full${root}`, { ca: 'ROOT' }],
    ['sslmode=verify-full', {}],
    ['ssl=true', {}],
    ['sslrootcert=system', {}],
    [
      `sslmode=require&sslcert=${file('client.crt')}&sslkey=${file('client.key')}`,
      { ...unverified, cert: 'CERT', key: 'KEY' }
    ]
  ]
  for (const [query, expected] of modes) {
    const ssl = read(`postgres://a@c/d?${query}`).options[0]?.ssl as { checkServerIdentity?: () => unknown } | string
    const { checkServerIdentity, ...rest } = Object(ssl)
    const isAnyName = checkServerIdentity && checkServerIdentity() === undefined
    t.same(typeof ssl === 'object' ? { ...rest, ...(isAnyName && { isAnyName }) } : ssl, expected, query)
  }
  t.match(read('postgres://a@127.0.0.2/d?sslmode=verify-full').options[0], { ssl: { host: '127.0.0.2' } })
  t.match(read('postgres://a@c/d?sslnegotiation=direct').options[0], { sslnegotiation: 'direct' })
})

t.test('an unusable URL is refused in words, without a piece of the password', async (t) => {
  const encode = /^cannot be read\. In a user name or password, write \/ as %2F/
  const refused: [text: string, reason: RegExp][] = [
    ['mysql://u:canary@h/d', /^must begin with postgres:\/\/$/],
    ['postgres://u:canary/x@h/d', encode],
    ['postgres://u:1/canary@h/d', encode],
    ['postgres://u:canary?x@h/d', encode],
    ['postgres://u:canary#x@h/d', encode],
    ['postgres://u:%ffcanary@h/d', encode],
    ['postgres://u@%ff/d', encode],
    ['postgres://u:p@canary?Canary@h/d', /^has a parameter, which is unknown; known are application_name, /],
    [
      'postgres://u:canary@h/d?statement_timeout=5',
      /^has the parameter statement_timeout, which is unknown; known are /
    ],
    ['postgres://u:canary@h/d?schema=shop', /^has schema, which must be public$/],
    ['postgres://u:canary@h/d?sslmode=canary', /^has sslmode, which must be disable or allow or /],
    [
      'postgres://u:canary@a,b/d?target_session_attrs=standby',
      /^has target_session_attrs, which must be any or read-write or primary$/
    ],
    ['postgres://u:canary@h/d?connect_timeout=0', /^has connect_timeout, which must be 1 to 99 seconds$/],
    ['postgres://u:canary@h/d?sslmode=verify-ca', /needs sslrootcert$/],
    ['postgres://u:canary@h/d?sslcert=/x', /^must have sslcert and sslkey together$/],
    ['postgres://u:canary@h/d?sslrootcert=/no/such/file', /^names the file \/no\/such\/file, which cannot be read$/],
    ['postgres://u:canary@a:b:c/d', /^has a host that cannot be read; an IPv6 address stands in brackets/],
    ['postgres://u:canary@[::1/d', /^has a host that cannot be read/],
    ['postgres://u:canary@h:0/d', /^has a port that is not a number from 1 to 65535$/],
    ['postgres://u:canary@h:99999/d', /^has a port/],
    ['postgres://u:canary@h:x/d', /^has a port/]
  ]
  for (const [text, reason] of refused) {
    const said = refusal(text)
    t.match(said, reason, text)
    t.notMatch(said, /canary/i, text)
  }
})
