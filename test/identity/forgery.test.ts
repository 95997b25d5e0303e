import { createHmac, createPrivateKey, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto'
import { createLocalJWKSet, jwtVerify } from 'jose'
import t from 'tap'
import { startApp } from '#test/support/app.ts'

const ISSUER = 'http://issuer.test'
const { app, someone } = await startApp(t, { JWT_ISSUER: ISSUER })
const member = await someone()
const [head, body, signature] = member.token.split('.') as [string, string, string]
const header = JSON.parse(Buffer.from(head, 'base64url').toString())
const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
const { privateKey, publicKey, jwk } = app.identity.keys.current

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const eddsa = (text: string, key: KeyObject = privateKey) =>
  signBytes(null, Buffer.from(text), key).toString('base64url')
/** A token with a valid signature over a wrong header or wrong claims. */
const signed = (changedHeader: object, changedClaims: object | string = {}, key?: KeyObject) => {
  const said = typeof changedClaims === 'string' ? changedClaims : { ...claims, ...changedClaims }
  const text = `${encode({ ...header, ...changedHeader })}.${encode(said)}`
  return `${text}.${eddsa(text, key)}`
}
const hmac = (alg: string, secret: string | Buffer) => {
  const text = `${encode({ ...header, alg })}.${body}`
  return `${text}.${createHmac(`sha${alg.slice(2)}`, secret)
    .update(text)
    .digest('base64url')}`
}
const other = generateKeyPairSync('ed25519')
const now = Math.floor(Date.now() / 1000)
const pem = publicKey.export({ type: 'spki', format: 'pem' })
const curve448 = generateKeyPairSync('ed448')
const { refreshToken } = (
  await app.inject({
    method: 'POST',
    url: '/api/v1/auth/login',
    payload: { email: member.email, password: 'a test password 42' }
  })
).json()

const forgeries: Record<string, string> = {
  'alg none': `${encode({ ...header, alg: 'none' })}.${body}.`,
  'alg None': `${encode({ ...header, alg: 'None' })}.${body}.`,
  'alg nOnE with the signature': `${encode({ ...header, alg: 'nOnE' })}.${body}.${signature}`,
  'alg none without typ': `${encode({ alg: 'none' })}.${body}.`,
  'no alg': `${encode({ ...header, alg: undefined })}.${body}.${signature}`,
  'alg of a number': signed({ alg: 1 }),
  'HS256 with the public key as PEM': hmac('HS256', pem),
  'HS256 with the public key as JWK': hmac('HS256', JSON.stringify(jwk)),
  'HS256 with x': hmac('HS256', Buffer.from(jwk.x as string, 'base64url')),
  'HS256 with the private key': hmac('HS256', app.identity.keys.current.privatePem),
  'HS256 with an empty key': hmac('HS256', ''),
  'HS384 with the public key': hmac('HS384', pem),
  'HS512 with the public key': hmac('HS512', pem),
  'RS256 in the header': signed({ alg: 'RS256' }),
  'ES256 in the header': signed({ alg: 'ES256' }),
  'the key of somebody else': signed({}, {}, other.privateKey),
  'the key of somebody else in jwk': signed(
    { jwk: other.publicKey.export({ format: 'jwk' }), kid: undefined },
    {},
    other.privateKey
  ),
  jku: signed({ jku: 'http://127.0.0.1:1/jwks.json', kid: 'theirs' }, {}, other.privateKey),
  x5u: signed({ x5u: 'http://127.0.0.1:1/x.pem', kid: 'theirs' }, {}, other.privateKey),
  Ed448: (() => {
    const text = `${encode(header)}.${body}`
    return `${text}.${signBytes(null, Buffer.from(text), curve448.privateKey).toString('base64url')}`
  })(),
  'no kid': signed({ kid: undefined }),
  'an unknown kid': signed({ kid: 'unknown' }),
  'a kid of a path': signed({ kid: '../../../../dev/null' }),
  'a kid of SQL': signed({ kid: "' or 1=1 --" }),
  'a kid of __proto__': signed({ kid: '__proto__' }),
  'a kid of constructor': signed({ kid: 'constructor' }),
  'a kid of a number': signed({ kid: 7 }),
  'a kid of an object': signed({ kid: { toString: header.kid } }),
  'a kid of 100 kB': signed({ kid: 'x'.repeat(7000) }),
  'a NUL in kid': signed({ kid: `${header.kid}\0` }),
  'crit of an unknown extension': signed({ crit: ['exp'], exp: 1 }),
  'an empty crit': signed({ crit: [] }),
  'crit of b64': signed({ crit: ['b64'], b64: false }),
  'crit of a text': signed({ crit: 'b64' }),
  'typ JWT': signed({ typ: 'JWT' }),
  'no typ': signed({ typ: undefined }),
  'typ of a refresh token': signed({ typ: 'rt+jwt' }),
  expired: signed({}, { exp: now - 1 }),
  'expired long ago': signed({}, { exp: 0 }),
  'no exp': signed({}, { exp: undefined }),
  'exp of a text': signed({}, { exp: String(now + 600) }),
  'exp of 1e400': signed({}, JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e400')),
  'not yet valid': signed({}, { nbf: now + 600 }),
  'nbf of a text': signed({}, { nbf: 'now' }),
  'nbf of 1e30': signed({}, { nbf: 1e30 }),
  'exp of 1e30': signed({}, { exp: 1e30 }),
  'exp of a fraction': signed({}, { exp: now + 0.5 }),
  'older than any token of ours': signed({}, { iat: now - 700, exp: now + 600 }),
  'iat of -1e30': signed({}, { iat: -1e30 }),
  'no iat': signed({}, { iat: undefined }),
  'iat of a text': signed({}, { iat: 'now' }),
  'another iss': signed({}, { iss: 'http://other.test' }),
  'no iss': signed({}, { iss: undefined }),
  'iss of a list': signed({}, { iss: [ISSUER] }),
  'iss with a slash': signed({}, { iss: `${ISSUER}/` }),
  'another aud': signed({}, { aud: 'other' }),
  'no aud': signed({}, { aud: undefined }),
  'aud of a number': signed({}, { aud: 7 }),
  'aud of null': signed({}, { aud: null }),
  'an empty aud': signed({}, { aud: [] }),
  'no sub': signed({}, { sub: undefined }),
  'sub of an object': signed({}, { sub: {} }),
  'no client_id': signed({}, { client_id: undefined }),
  'client_id of a number': signed({}, { client_id: 7 }),
  'no jti': signed({}, { jti: undefined }),
  'no scope': signed({}, { scope: undefined }),
  'scope of a list': signed({}, { scope: ['*'] }),
  'the session of somebody else': signed({}, { sid: '01890000-0000-7000-8000-000000000000' }),
  'the user of another session': signed({}, { sub: '01890000-0000-7000-8000-000000000000' }),
  'no session': signed({}, { sid: undefined }),
  'claims of a list': signed({}, '[]'),
  'claims of null': signed({}, 'null'),
  'claims that are no JSON': signed({}, '{'),
  'a header that is no JSON': `${encode('{')}.${body}.${signature}`,
  'a header of null': `${encode('null')}.${body}.${signature}`,
  'no signature': `${head}.${body}.`,
  'no signature and no dot': `${head}.${body}`,
  'only a header': head,
  'four parts': `${member.token}.${signature}`,
  'five parts': `${member.token}.${signature}.${signature}`,
  truncated: member.token.slice(0, -1),
  'half a signature': member.token.slice(0, -43),
  'a trailing byte': `${member.token}A`,
  'trailing bytes': `${member.token}AAAA`,
  padding: `${member.token}==`,
  'a signature of zeros': `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`,
  'unused bits of the signature':
    member.token.slice(0, -1) + String.fromCharCode(member.token.charCodeAt(member.token.length - 1) + 1),
  'claims exchanged': `${head}.${encode({ ...claims, scope: '*', role: 'admin' })}.${signature}`,
  'a refresh token': refreshToken,
  'an empty token': '.',
  dots: '...',
  'a word': 'undefined'
}

// Each from its own address: otherwise the limit on failures would answer before the signature check.
let count = 0
const call = async (token: string) => {
  count += 1
  return app.inject({
    url: '/api/v1/users/me',
    headers: { authorization: `Bearer ${token}` },
    remoteAddress: `10.${(count >> 16) & 255}.${(count >> 8) & 255}.${count & 255}`
  })
}
const accepts = async (token: string) => {
  const keys = createLocalJWKSet({ keys: [jwk] })
  const options = { issuer: ISSUER, audience: 'tenon', typ: 'at+jwt', algorithms: ['EdDSA'] }
  const requiredClaims = ['sub', 'client_id', 'iat', 'exp', 'jti', 'scope']
  return jwtVerify(token, keys, { ...options, requiredClaims }).then(
    () => true,
    () => false
  )
}

t.test('the real one is accepted', async (t) => {
  t.equal((await call(member.token)).statusCode, 200)
  t.equal((await call(signed({}))).statusCode, 200, 'and so is one that the table would change nothing of')
})

t.test(`${Object.keys(forgeries).length} forgeries are refused`, async (t) => {
  t.ok(Object.keys(forgeries).length >= 40)
  for (const [name, token] of Object.entries(forgeries)) {
    const { statusCode, headers } = await call(token)
    t.equal(statusCode, 401, name)
    t.match(headers['www-authenticate'], /^Bearer realm="tenon", error="invalid_token"/, name)
  }
})

t.test('10,000 mutations: none accepted that jose refuses', async (t) => {
  const seed = Number(process.env.SEED ?? 20_260_101)
  t.comment(`seed ${seed}`)
  let state = seed
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff
    return (state >> 8) % below
  }
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~+/='
  const letter = () => letters[random(letters.length)] as string
  const mutate = (token: string) => {
    const at = random(token.length)
    const kind = random(5)
    if (kind === 0) return token.slice(0, at) + letter() + token.slice(at + 1)
    if (kind === 1) return token.slice(0, at) + token.slice(at + 1)
    if (kind === 2) return token.slice(0, at) + letter() + token.slice(at)
    if (kind === 3) return token.slice(0, at)
    const [from, to] = [random(token.length), at].sort((a, b) => a - b) as [number, number]
    return token.slice(0, from) + token.slice(to)
  }
  const wrong: string[] = []
  for (let round = 0; round < 10_000; round += 1) {
    const token = mutate(member.token)
    if (token === member.token) continue
    const { statusCode, headers } = await call(token)
    if (statusCode === 401 && headers['www-authenticate']) continue
    if (statusCode === 200 && (await accepts(token))) continue
    wrong.push(`${statusCode} ${token}`)
  }
  t.same(wrong, [])
})

t.test('a key of another kind does not verify', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { configuredKeys } = await import('#src/identity/tokens/signing-keys.ts')
  const text = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  await t.rejects(configuredKeys(text), /not an Ed25519 key/)
  t.ok(createPrivateKey(text))
})
