import { Writable } from 'node:stream'
import { generate } from 'otplib'
import t from 'tap'
import { PASSWORD, startApp } from '#test/support/app.ts'

const written: string[] = []
const log = new Writable({
  write(chunk, _encoding, done) {
    written.push(String(chunk))
    done()
  }
})
const { app, send, someone } = await startApp(
  t,
  { LOG_LEVEL: 'debug', REGISTRATION: 'open', OAUTH_PASSWORD_GRANT: 'true' },
  { log }
)

t.test('no log line, error, metric or document has a password, a key or a token', async (t) => {
  const admin = await someone('admin')
  const password = 'canary password of nobody'
  const made = await send('POST', '/api/v1/api-keys', { as: admin.token, body: { name: 'x', scopes: ['items:read'] } })
  const { key, id } = made.body
  const login = (await send('POST', '/api/v1/auth/register', { body: { email: 'canary@example.com', password } })).body
  const as = login.accessToken
  const enrolled = await send('POST', '/api/v1/auth/second-factor', { as, body: { currentPassword: password } })
  const { secret: totp } = enrolled.body
  const confirm = { code: await generate({ secret: totp }) }
  const { recoveryCodes } = (await send('POST', '/api/v1/auth/second-factor/confirm', { as, body: confirm })).body
  const asked = await send('POST', '/api/v1/auth/login', { body: { email: 'canary@example.com', password } })
  const { challenge } = asked.body.error.details
  const answers = [
    await send('POST', '/api/v1/auth/login/second-factor', { body: { challenge, code: `${recoveryCodes[0]}x` } }),
    await send('POST', '/api/v1/auth/second-factor/remove', {
      as,
      body: { currentPassword: `${password}!`, code: recoveryCodes[0] }
    }),
    await send('GET', '/api/v1/auth/second-factor', { as }),
    await send('POST', '/api/v1/auth/login', { body: { email: 'canary@example.com', password: `${password}!` } }),
    await send('POST', '/api/v1/auth/login', { body: { email: 'canary@example.com', passwort: password } }),
    await send('GET', '/api/v1/items', { as: `${key}x` }),
    await send('GET', '/api/v1/items', { as: key }),
    await send('GET', `/api/v1/users/me?x=1`, { as: login.accessToken }),
    await send('POST', '/api/v1/auth/refresh', { body: { refreshToken: `${login.refreshToken}x` } }),
    await send('GET', '/openapi.json'),
    await send('GET', `/api/v1/api-keys/${id}`, { as: admin.token })
  ].map(({ text }) => text)
  for (const form of [
    { grant_type: 'client_credentials', client_id: id, client_secret: `${key}x` },
    { grant_type: 'password', username: 'canary@example.com', password: `${password}!` },
    { grant_type: 'refresh_token', refresh_token: `${login.refreshToken}x` }
  ]) {
    const { payload } = await app.inject({
      method: 'POST',
      url: '/oauth/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams(form as never).toString()
    })
    answers.push(payload)
  }
  answers.push((await app.inject('/metrics')).payload)
  app.logLines.flush()
  const lines = written.join('')
  t.match(lines, '/api/v1/auth/login', 'the log is looked into')
  for (const secret of [
    password,
    PASSWORD,
    key.slice(30),
    login.accessToken.slice(-40),
    login.refreshToken.slice(-40),
    totp,
    challenge,
    ...recoveryCodes
  ]) {
    t.notOk(lines.includes(secret), 'log')
    for (const answer of answers) t.notOk(answer.includes(secret), answer.slice(0, 80))
  }
})
