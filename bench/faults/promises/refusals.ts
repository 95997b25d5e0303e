import { type Call, longest, send } from '../load.ts'
import { bounded, type Promised, under } from '../promise.ts'

const EACH = 50

export default {
  name: 'refusals',
  title: 'Refusals with the database in a black hole',
  async show(lab) {
    const database = await lab.database()
    const proxy = await lab.proxy(lab.postgres.port)
    const { url } = await lab.instance(proxy.through(database.url))
    const headers = { 'x-api-key': lab.key }
    // The owner of the key was read once, before the measurement.
    await send(lab.agent, url, { path: '/api/v1/products', headers })
    const mistyped = `${lab.key.slice(0, -1)}${lab.key.endsWith('0') ? '1' : '0'}`
    const calls: Record<string, [number, Call]> = {
      'a mistyped key': [401, { path: '/api/v1/items', headers: { 'x-api-key': mistyped } }],
      'no credential': [401, { path: '/api/v1/items' }],
      'no such path': [404, { path: '/api/v1/nothing' }],
      'no such method': [405, { method: 'PATCH', path: '/api/v1/products' }],
      'a malformed id': [422, { path: '/api/v1/products/nothing' }],
      'a refused body': [422, { method: 'POST', path: '/api/v1/products', headers, body: { sku: 1 } }],
      'what is no JSON': [400, { method: 'POST', path: '/api/v1/products', headers, body: '{' }]
    }
    proxy.set({ kind: 'black-hole' })
    const checks = []
    for (const [what, [status, call]] of Object.entries(calls)) {
      const answers = await Promise.all(Array.from({ length: EACH }, () => send(lab.agent, url, call)))
      const wrong = answers.filter((answer) => answer.status !== status)
      checks.push(
        wrong.length === 0
          ? under(500, `${what}: ${status} within`, longest(answers))
          : bounded(false, `${what}: ${wrong[0]?.status}`, String(status))
      )
    }
    proxy.set({ kind: 'none' })
    return checks
  }
} satisfies Promised
