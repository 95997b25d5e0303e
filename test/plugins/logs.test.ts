import { PassThrough } from 'node:stream'
import t from 'tap'
import { startApp } from '#test/support/app.ts'

const CANARY = 'canary-5f2c-secret'

const log = new PassThrough()
let lines = ''
log.on('data', (chunk) => {
  lines += chunk
})
const { app, send, someone } = await startApp(t, { LOG_LEVEL: 'debug' }, { log })
const admin = await someone('admin')
function forget() {
  app.logLines.flush()
  lines = ''
}

function logged() {
  app.logLines.flush()
  return lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

t.test('one line for a request: who, what, how it ended and how long it took', async (t) => {
  forget()
  const { headers } = await send('GET', '/api/v1/items?limit=5&title=x', { as: admin.token })
  const answered = logged().filter(({ method }) => method)
  t.equal(answered.length, 1)
  t.match(answered[0], {
    level: 30,
    requestId: headers['x-request-id'],
    method: 'GET',
    path: '/api/v1/items',
    route: '/api/v1/items',
    query: { limit: 5, title: 'x' },
    status: 200,
    ms: Number,
    userId: admin.id
  })
})

t.test('probes, scrapes and the files of the documentation have no line', async (t) => {
  forget()
  for (const path of ['/livez', '/readyz', '/metrics', '/docs/']) await send('GET', path)
  await send('GET', '/livez/nothing')
  t.same(
    logged().map(({ path }) => path),
    ['/livez/nothing']
  )
})

t.test('nothing that a schema marks as secret, or does not know, is written', async (t) => {
  forget()
  const as = admin.token
  await send('POST', '/api/v1/auth/login', { body: { email: 'a@example.com', password: CANARY } })
  await send('POST', '/api/v1/users', { as, body: { email: 'b@example.com', password: CANARY, name: 'B' } })
  await send('POST', '/api/v1/users', { as, body: { email: 'b@example.com', password: CANARY, name: 'B' } })
  await send('POST', '/api/v1/users', { as, body: { email: 'c@example.com', passwrd: CANARY, name: ['B', CANARY] } })
  await send('GET', `/api/v1/items?password=${CANARY}`, { as })
  await send('GET', '/api/v1/items', { headers: { authorization: `Bearer ${CANARY}` } })
  await send('GET', `/nothing?token=${CANARY}`, { as })
  app.logLines.flush()
  t.notMatch(lines, CANARY)
  t.notMatch(lines, /argon2|eyJ/)
  t.match(lines, /"password":"\[redacted\]"/)
  t.match(lines, /"passwrd":"\[unknown\]"/)
})

t.test('a failure of ours is logged with its stack and answered without a word of it', async (t) => {
  const routes = t.testdir({
    'broken.ts': `export default async (app) => void app.get(
      '/broken',
      { config: { access: 'public' }, schema: { response: { 200: { type: 'string' } } } },
      async () => { throw new Error('because', { cause: new Error('the deeper reason') }) }
    )`
  })
  const { send } = await startApp(t, { LOG_LEVEL: 'info' }, { log, routes })
  forget()
  const answer = await send('GET', '/broken')
  t.match(answer, { status: 500, body: { error: { code: 'INTERNAL' }, instance: answer.headers['x-request-id'] } })
  t.notMatch(answer.text, /because|reason|broken/)
  const [failure] = logged().filter(({ level }) => level === 50)
  t.match(failure, {
    requestId: answer.headers['x-request-id'],
    err: { message: 'because', stack: /broken\.ts/, cause: { message: 'the deeper reason' } }
  })
})
