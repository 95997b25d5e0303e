import t from 'tap'
import { createDatabase, isPostgres, type TestDatabase } from '#test/support/database.ts'
import { patiently } from '#test/support/patiently.ts'
import { startServerProcess } from '#test/support/server.ts'

const ADMIN = { email: 'admin@example.com', password: 'a first password 42' }

interface Answer {
  status: number
  headers: Record<string, string>
  isReplay: boolean
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  body: any
}

async function startOn(database: TestDatabase) {
  const server = startServerProcess(t, {
    JWT_ISSUER: 'http://tenon.test',
    ADMIN_PASSWORD: ADMIN.password,
    MIGRATE_ON_START: 'false',
    ...(process.env.DATABASE_POOL_MAX && { DATABASE_POOL_MAX: process.env.DATABASE_POOL_MAX }),
    ...database
  })
  const url = await server.listens()
  const kill = async () => {
    server.child.kill('SIGKILL')
    await server.ended
  }
  return { url, kill }
}

// Undefined when the server went away before it answered.
async function call(url: string, headers: Record<string, string>, body?: object): Promise<Answer | undefined> {
  const json = { 'content-type': 'application/json' }
  const sent = {
    headers: { ...headers, ...(body && json) },
    ...(body && { method: 'POST', body: JSON.stringify(body) })
  }
  try {
    const response = await fetch(url, sent)
    const isReplay = response.headers.get('idempotency-replayed') === 'true'
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      isReplay,
      body: await response.json()
    }
  } catch {
    return undefined
  }
}

async function startLogin(url: string): Promise<string> {
  return `Bearer ${(await call(`${url}/api/v1/auth/login`, {}, ADMIN))?.body.accessToken}`
}

const post = (url: string, authorization: string, key: string) =>
  call(`${url}/api/v1/items`, { authorization, 'idempotency-key': key }, { title: key })

async function titles(url: string, authorization: string): Promise<string[]> {
  const answer = await call(`${url}/api/v1/items?limit=200&sort=title`, { authorization })
  return answer?.body.data.map(({ title }: { title: string }) => title)
}

const skip = !isPostgres && 'the embedded database has one process'
t.test('a hundred times at once over three processes it happens once', { skip }, async (t) => {
  const database = await createDatabase(t)
  const first = await startOn(database)
  const servers = [first, ...(await Promise.all([startOn(database), startOn(database)]))]
  const token = await startLogin(first.url)
  let refused = 0
  // A client that is told to come back does.
  async function insist(url: string): Promise<Answer | undefined> {
    const answer = await patiently(async () => (await post(url, token, 'once')) as Answer)
    if (answer?.status !== 409) return answer
    refused += 1
    return insist(url)
  }
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) => insist((servers[index % 3] as { url: string }).url))
  )
  t.comment(`${refused} were told to come back`)
  t.equal(answers.filter((answer) => answer?.status === 201).length, 100)
  t.equal(answers.filter((answer) => answer?.isReplay).length, 99)
  t.equal(new Set(answers.map((answer) => answer?.body.id)).size, 1)
  t.same(await titles(first.url, token), ['once'])
})

t.test('a process that is killed in the middle leaves the effect with its answer, or nothing', async (t) => {
  const database = await createDatabase(t)
  const first = await startOn(database)
  const token = await startLogin(first.url)
  const names = Array.from({ length: 60 }, (_, index) => `item-${String(index).padStart(2, '0')}`)
  const answered = new Map<string, string>()
  await Promise.all(
    names.map(async (name) => {
      const answer = await post(first.url, token, name)
      if (answer?.status === 201) answered.set(name, answer.body.id)
      // By now some are answered, some under way and some not begun.
      if (answered.size === 10) await first.kill()
    })
  )
  t.ok(answered.size >= 10 && answered.size < names.length)

  const { url } = await startOn(database)
  let replayed = 0
  for (const name of names) {
    const answer = await post(url, token, name)
    t.equal(answer?.status, 201, name)
    if (answered.has(name)) t.equal(answer?.body.id, answered.get(name), name)
    if (answer?.isReplay) replayed += 1
  }
  t.comment(`${answered.size} were answered, ${replayed} had been done`)
  t.ok(replayed >= answered.size)
  t.same(await titles(url, token), names, 'each once')
})
