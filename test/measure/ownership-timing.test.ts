import t from 'tap'
import { v7 } from 'uuid'
import { startApp } from '#test/support/app.ts'
import { median, rankTest } from '#test/support/rank-test.ts'

// Whether another user's row takes as long as a row that does not exist: two samples, measured in turns, so that what
// else the machine does falls on both.
t.setTimeout(300_000)
const SAMPLES = 500
const ATTEMPTS = 3
const LEAST_P = 0.001

const { app, send, someone } = await startApp(t, { RATE_LIMIT_ENABLED: 'false' })
const [ada, bob] = [await someone(), await someone()]
const path = '/api/v1/items'
const make = async (as: string) => (await send('POST', path, { as, body: { title: 'A title', description: 'x' } })).body
const [theirs, own] = [await make(ada.token), await make(bob.token)]

const asks: Record<string, (id: string) => { method: 'GET' | 'PATCH' | 'DELETE'; url: string; body?: object }> = {
  read: (id) => ({ method: 'GET', url: `${path}/${id}` }),
  patch: (id) => ({ method: 'PATCH', url: `${path}/${id}`, body: { title: 'Another' } }),
  delete: (id) => ({ method: 'DELETE', url: `${path}/${id}` }),
  bulk: (id) => ({ method: 'PATCH', url: `${path}/bulk?mode=partial`, body: { items: [{ id, title: 'Another' }] } }),
  filter: (id) => ({ method: 'GET', url: `${path}?id[in]=${id},${own.id}` }),
  count: (id) => ({ method: 'GET', url: `${path}?id=${id}&count=exact` })
}

for (const [name, ask] of Object.entries(asks)) {
  t.test(`${name}: another user's row takes as long as none`, async (t) => {
    await measure(ask, 50)
    let p = 0
    for (let attempt = 0; attempt < ATTEMPTS && p <= LEAST_P; attempt += 1) {
      const [other, none] = await measure(ask, SAMPLES)
      p = rankTest(other, none)
      const medians = [other, none].map((sample) => `${median(sample).toFixed(3)} ms`)
      t.comment(`medians ${medians.join(' and ')}, p ${p.toFixed(4)}`)
    }
    t.ok(p > LEAST_P, `p is ${p}`)
  })
}

/** Milliseconds of requests for another user's row, and for rows that do not exist; which goes first takes turns. */
async function measure(ask: (typeof asks)[string], samples: number): Promise<[number[], number[]]> {
  const times: [number[], number[]] = [[], []]
  for (let sample = 0; sample < samples; sample += 1) {
    const ids = [theirs.id, v7()]
    for (const which of sample % 2 === 0 ? [0, 1] : [1, 0]) {
      const { method, url, body } = ask(ids[which])
      const headers = { authorization: `Bearer ${bob.token}` }
      const started = performance.now()
      await app.inject({ method, url, headers, ...(body && { payload: body }) })
      times[which as 0 | 1].push(performance.now() - started)
    }
  }
  return times
}
