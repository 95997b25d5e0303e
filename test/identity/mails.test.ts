import { createHash } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import mailToken from '#routes/api/v1/auth/mail-token.job.ts'
import { selectRaw } from '#src/db/rows.ts'
import { MAX_MAILS, stateOf } from '#src/identity/account-tokens.ts'
import { MAIL_REQUESTS } from '#src/identity/requests/network-throttle.ts'
import { accountTokens } from '#src/identity/tables/account-tokens.ts'
import { users } from '#src/identity/tables/users.ts'
import { PASSWORD, startApp } from '#test/support/app.ts'
import { type GotMail, startSmtp } from '#test/support/smtp.ts'
import { noteStatements } from '#test/support/statements.ts'
import { until } from '#test/support/until.ts'

const smtp = await startSmtp(t)
const { app, send, someone } = await startApp(t, {
  JOBS: 'on',
  MAIL_URL: smtp.url,
  MAIL_LINK_URL: 'https://app.example.com/account',
  REGISTRATION: 'open',
  TRUST_PROXY: '127.0.0.1'
})
const admin = await someone('admin')
const NEW_PASSWORD = 'another test password 43'

let networks = 0
/** Posts from a network of its own, unless one is given. */
function post(path: string, body?: object, as?: string, network = ++networks) {
  const headers = { 'x-forwarded-for': `10.0.${network >> 8}.${network & 255}` }
  return send('POST', `/api/v1/auth/${path}`, { body, as, headers })
}
const ask = (email: string) => post('password-reset', { email })
const confirm = (token: string, password = NEW_PASSWORD) => post('password-reset/confirm', { token, password })
const login = async (email: string, password = PASSWORD) => (await post('login', { email, password })).status
const me = async (as: string) => (await send('GET', '/api/v1/users/me', { as })).status
const isVerified = async (as: string) => (await send('GET', '/api/v1/users/me', { as })).body.emailVerified
const WRONG = { status: 422, body: { details: [{ path: '/token', code: 'wrong' }] } }

/** The token of a link in a mail. */
function tokenOf({ parts }: GotMail, page: string): string {
  const link = new RegExp(`https://app\\.example\\.com/account/${page}\\?token=(tnm_[\\w-]{43})`)
  const [, inText = ''] = link.exec(parts.get('text/plain') ?? '') ?? []
  const [, inHtml] = link.exec(parts.get('text/html') ?? '') ?? []
  t.equal(inHtml, inText)
  return inText
}
/** Lets the jobs that wait a moment, so that no answer tells of them, begin. */
const hurry = ({ db } = app) =>
  db.execute(sql`with due as (update job_common set start_after = now()
    where name = 'auth.mail-token' and state = 'created' returning name) select pg_notify('tenon_jobs', name) from due`)
/** The next mail to an address. */
async function take(to: string): Promise<GotMail> {
  await hurry()
  return smtp.take(to)
}
const resetToken = async (email: string) => {
  await ask(email)
  return tokenOf(await take(email), 'reset-password')
}
/** Waits until all jobs are done: what they sent has arrived by then. */
async function settled(): Promise<GotMail[]> {
  await hurry()
  const open = sql`select 1 from job_common where state < 'completed' and name in ('auth.mail-token', 'mail.send')`
  await until(async () => (await selectRaw(app.db, open)).length === 0)
  return smtp.mails.splice(0)
}

t.beforeEach(settled)

t.test('a lost password is set anew by the link of a mail, once, and every login ends', async (t) => {
  const { email, token: old } = await someone()
  const asked = await ask(` ${email.toUpperCase()}`)
  t.match(asked, { status: 202, body: { message: /^A mail is on its way, if there is an account/ } })
  const mail = await take(email)
  t.equal(mail.headers.get('subject'), 'Set a new password')
  const token = tokenOf(mail, 'reset-password')
  const stored = JSON.stringify([
    await app.db.select().from(accountTokens),
    await selectRaw(app.db, sql`select data, output from job_common`)
  ])
  t.notOk(stored.includes(token.slice(4)), 'it is stored nowhere in clear text')

  t.match((await confirm(token, 'password123')).body.details, [{ path: '/password', code: 'common' }])
  t.match((await confirm(token, email)).body.details, [{ path: '/password', code: 'email' }])
  t.equal((await confirm(token)).status, 204)
  t.same([await me(old), await login(email), await login(email, NEW_PASSWORD)], [401, 401, 200])
  t.match(await confirm(token), WRONG, 'a second time')
  t.match((await take(email)).headers.get('subject'), 'Your password was changed')
  const [user] = await app.db.select().from(users).where(eq(users.email, email))
  t.equal(user?.verifiedEmail, email, 'the link was read at this address')
})

t.test('the answer and the statements are the same whether there is an account or not', async (t) => {
  const { email } = await someone()
  const { email: disabled, id } = await someone()
  await app.db.update(users).set({ active: false }).where(eq(users.id, id))
  const outside = 'outside@example.com'
  const values = { email: outside, name: 'x', passwordHash: '!', role: 'member', active: true }
  await app.db.insert(users).values(values)
  const quiet = await startApp(t, { NODE_ENV: 'test' })
  await quiet.app.db.insert(users).values({ ...values, email, passwordHash: 'a hash' })
  const { of } = noteStatements(quiet.app)
  for (const path of ['password-reset', 'verify-email']) {
    const seen: unknown[] = []
    for (const one of [email, 'none@example.com', email, 'none@example.com', email]) {
      let answer: unknown
      const statements = await of(async () => {
        const { status, headers, text } = await quiet.send('POST', `/api/v1/auth/${path}`, { body: { email: one } })
        const names = Object.keys(headers).sort()
        answer = [status, text, names]
      })
      seen.push(JSON.stringify([answer, statements]))
    }
    t.same(seen.slice(1), seen.slice(0, -1), path)
    t.match(seen[0], /pgboss|job/i)
  }
  for (const one of [disabled, outside, 'none@example.com']) t.equal((await ask(one)).status, 202)
  t.same(await settled(), [], 'and only the mail tells')
})

t.test('of several confirmations at once one wins', async (t) => {
  const { email } = await someone()
  const token = await resetToken(email)
  const passwords = Array.from({ length: 6 }, (_, index) => `${NEW_PASSWORD} ${index}`)
  const statuses = (await Promise.all(passwords.map((one) => confirm(token, one)))).map(({ status }) => status)
  t.same(statuses.toSorted(), [204, 422, 422, 422, 422, 422])
  const winner = passwords[statuses.indexOf(204)] as string
  t.same([await login(email, winner), await login(email)], [200, 401])
  t.equal((await settled()).length, 1)
})

t.test(
  'a token is void once the password or the address has changed, the user has gone, or an hour is over',
  async (t) => {
    const changes: ((user: Awaited<ReturnType<typeof someone>>) => Promise<unknown>)[] = [
      ({ token }) => post('password', { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }, token),
      ({ id, email }) => send('PATCH', `/api/v1/users/${id}`, { as: admin.token, body: { email: `new.${email}` } }),
      ({ id }) => send('PATCH', `/api/v1/users/${id}`, { as: admin.token, body: { active: false } }),
      ({ id }) => send('DELETE', `/api/v1/users/${id}`, { as: admin.token }),
      ({ id }) => app.db.update(accountTokens).set({ expiresAt: sql`now()` }).where(eq(accountTokens.userId, id))
    ]
    for (const [index, change] of changes.entries()) {
      const user = await someone()
      const token = await resetToken(user.email)
      await change(user)
      t.match(await confirm(token), WRONG, `${index}`)
    }
    const { email } = await someone()
    const token = await resetToken(email)
    t.match(await post('verify-email/confirm', { token }), WRONG, 'a token of another purpose')
    t.match(await post('email/confirm', { token }), WRONG)
    for (const one of ['x', 'tnm_', `tnm_${'A'.repeat(43)}`]) t.match(await confirm(one), WRONG, one)
    const other = await resetToken(email)
    t.equal((await confirm(token)).status, 204, 'an older mail of the hour')
    t.match(await confirm(other), WRONG, 'which makes the later one void')
  }
)

t.test('a password that changed while a token was checked is not overwritten', async (t) => {
  const { email, id } = await someone()
  const token = await resetToken(email)
  const transaction = app.db.transaction.bind(app.db)
  t.teardown(() => Object.assign(app.db, { transaction }))
  let isFirst = true
  app.db.transaction = (async (work: never) => {
    if (isFirst) await app.db.update(users).set({ passwordHash: 'set meanwhile' }).where(eq(users.id, id))
    isFirst = false
    return transaction(work)
  }) as never
  t.match(await confirm(token), WRONG)
})

t.test('an address gets at most five mails of a kind within an hour, from however many networks', async (t) => {
  const { email, token } = await someone()
  await Promise.all(Array.from({ length: MAX_MAILS + 4 }, () => ask(email)))
  t.equal((await settled()).length, MAX_MAILS)
  t.equal((await post('verify-email', { email })).status, 202)
  t.equal((await settled()).length, 1, 'those of another kind count apart')
  await send('DELETE', '/api/v1/users/me', { as: token, body: { currentPassword: PASSWORD } })
  await post('register', { email, password: PASSWORD })
  t.equal((await settled()).length, 1, 'a mail to confirm the address')
  await ask(email)
  t.same(await settled(), [], 'a new account does not begin anew')
  await app.db.update(accountTokens).set({ createdAt: sql`now() - interval '61 minutes'` })
  await ask(email)
  t.equal((await settled()).length, 1)
})

t.test('a network asks for thirty mails an hour, whether there are accounts or not', async (t) => {
  const network = ++networks
  const statuses: number[] = []
  for (let index = 0; index <= MAIL_REQUESTS.most; index += 1)
    statuses.push((await post('password-reset', { email: `none${index}@example.com` }, undefined, network)).status)
  t.same(new Set(statuses.slice(0, -1)), new Set([202]))
  t.equal(statuses.at(-1), 429)
  t.equal((await post('verify-email', { email: 'none@example.com' }, undefined, network)).status, 429)
})

t.test('an address is confirmed by the link of a mail', async (t) => {
  const { token: as, email, id } = await someone()
  t.equal(await isVerified(as), false)
  t.equal((await post('verify-email', undefined, as)).status, 202)
  const mail = await take(email)
  t.equal(mail.headers.get('subject'), 'Confirm your e-mail address')
  const token = tokenOf(mail, 'verify-email')
  const answers = await Promise.all(Array.from({ length: 4 }, () => post('verify-email/confirm', { token })))
  t.same(answers.map(({ status }) => status).toSorted(), [204, 422, 422, 422])
  t.equal(await isVerified(as), true)
  await post('verify-email', { email })
  t.same(await settled(), [], 'there is nothing left to confirm')
  await send('PATCH', `/api/v1/users/${id}`, { as: admin.token, body: { email: `new.${email}` } })
  t.equal(await isVerified(as), false, 'another address is not confirmed')
  await post('verify-email', { email: `new.${email}` })
  t.equal((await settled()).length, 1)

  const { key } = (await send('POST', '/api/v1/api-keys', { as, body: { name: 'x', scopes: ['items:read'] } })).body
  for (const one of [undefined, key, 'not a token']) t.equal((await post('verify-email', {}, one)).status, 401)
})

t.test('those that register get a mail to confirm the address', async (t) => {
  const email = 'new@example.com'
  const { body } = await post('register', { email, password: PASSWORD, name: 'Win at http://evil.example' })
  const mail = await take(email)
  t.notMatch(mail.raw, 'evil.example', 'with no text of their own')
  t.equal((await post('verify-email/confirm', { token: tokenOf(mail, 'verify-email') })).status, 204)
  t.equal(await isVerified(body.accessToken), true)
})

t.test('a new e-mail is confirmed by a mail to it, and the old address is told', async (t) => {
  const { token: as, email } = await someone()
  const wanted = `New.${email}`
  const change = (to: string, currentPassword = PASSWORD) => post('email', { email: to, currentPassword }, as)
  t.equal((await change(wanted, 'x')).status, 422)
  t.match((await change('x@external.invalid')).body.details, [{ path: '/email', code: 'reserved' }])
  t.equal((await change(wanted)).status, 202)
  const mail = await take(wanted.toLowerCase())
  t.equal(mail.headers.get('subject'), 'Confirm your new e-mail address')
  t.equal(await login(email), 200, 'nothing has changed yet')
  const token = tokenOf(mail, 'change-email')
  t.equal((await post('email/confirm', { token })).status, 204)
  t.same([await login(email), await login(wanted), await me(as)], [401, 200, 200])
  t.equal(await isVerified(as), true)
  t.match((await take(email)).headers.get('subject'), 'Your e-mail address was changed')
  t.match(await post('email/confirm', { token }), WRONG)
  t.same(await settled(), [])
})

t.test(
  'an address that is taken is not told when it is asked for, and is refused when it is taken meanwhile',
  async (t) => {
    const { token: as } = await someone()
    const other = await someone()
    const change = (email: string) => post('email', { email, currentPassword: PASSWORD }, as)
    t.equal((await change(other.email)).status, 202)
    t.same(await settled(), [])
    t.equal((await change('wanted@example.com')).status, 202)
    const token = tokenOf(await take('wanted@example.com'), 'change-email')
    await app.db.update(users).set({ email: 'wanted@example.com' }).where(eq(users.id, other.id))
    t.match(await post('email/confirm', { token }), {
      status: 409,
      body: { details: [{ path: '/token', code: 'unique' }] }
    })
  }
)

t.test('a job that comes late, or after a change of the account, sends nothing', async (t) => {
  const { id, email } = await someone()
  const until = (inMs: number) => new Date(Date.now() + inMs).toISOString()
  const state = stateOf({ email, passwordHash: 'an earlier one' })
  const change = { email: 'late@example.com', state }
  await app.jobs.send(mailToken, { purpose: 'change-email', account: { id }, change, until: until(60_000) })
  await app.jobs.send(mailToken, { purpose: 'reset-password', account: { email }, until: until(-1) })
  t.same(await settled(), [])
})

t.test('a further attempt of a job replaces its token, and is no further mail', async (t) => {
  const { email, id: userId } = await someone()
  const first = await resetToken(email)
  const [row] = await app.db.select().from(accountTokens).where(eq(accountTokens.userId, userId))
  const { deliver } = app.mailer
  const sent: string[] = []
  t.teardown(() => Object.assign(app.mailer, { deliver }))
  app.mailer.deliver = async ({ text }) => void sent.push(text)
  const input = { purpose: 'reset-password', account: { email }, until: new Date(Date.now() + 60_000).toISOString() }
  await mailToken.handle(app, input as never, { id: row?.id, log: app.log } as never)
  t.equal(await app.db.$count(accountTokens, eq(accountTokens.userId, userId)), 1)
  t.match(await confirm(first), WRONG)
  const [, second = ''] = /token=(\S+)/.exec(sent[0] as string) ?? []
  app.mailer.deliver = deliver
  t.equal((await confirm(second)).status, 204)
  await settled()
})

t.test('without a mail server a link is written to the log, and in production it is 403', async (t) => {
  const lines: string[] = []
  const log = { write: (line: string) => void lines.push(line) }
  const dev = await startApp(t, { JOBS: 'on', LOG_LEVEL: 'info' }, { log: log as never })
  const { email } = await dev.someone()
  await dev.send('POST', '/api/v1/auth/password-reset', { body: { email } })
  const link = /\/account\/reset-password\?token=(tnm_[\w-]{43})/
  await hurry(dev.app)
  await until(() => lines.some((line) => link.test(line)))
  const [, token] = link.exec(lines.join('')) ?? []
  const body = { token, password: NEW_PASSWORD }
  t.equal((await dev.send('POST', '/api/v1/auth/password-reset/confirm', { body })).status, 204)

  const live = await startApp(t, { NODE_ENV: 'production' })
  for (const path of ['password-reset', 'verify-email']) {
    const refused = await live.send('POST', `/api/v1/auth/${path}`, { body: { email } })
    t.match(refused, { status: 403, body: { error: { code: 'MAIL_OFF' } } })
  }
})

t.test('the pages of the links ask before they use a token, and run their own script only', async (t) => {
  const pages = {
    'reset-password': '/api/v1/auth/password-reset/confirm',
    'verify-email': '/api/v1/auth/verify-email/confirm',
    'change-email': '/api/v1/auth/email/confirm'
  }
  for (const [name, action] of Object.entries(pages)) {
    const { status, headers, text } = await send('GET', `/account/${name}?token=tnm_secret`)
    t.equal(status, 200)
    t.notMatch(text, 'tnm_secret')
    t.match(text, `data-action="${action}"`)
    t.equal(text.includes('type="password"'), name === 'reset-password')
    t.match(headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
    const policy = headers['content-security-policy'] as string
    for (const [, tag, inline = ''] of text.matchAll(/<(script|style)>([\s\S]*?)<\/\1>/g))
      t.match(policy, `${tag}-src 'sha256-${createHash('sha256').update(inline).digest('base64')}'`)
    t.notMatch(policy, /unsafe|\*/)
    t.equal((await send('POST', action, { body: {} })).status, 422, 'there is such a route')
  }
})
