import fc from 'fast-check'
import t from 'tap'
import { type Answered, startApp, type TestApp } from '#test/support/app.ts'
import { patiently } from '#test/support/patiently.ts'

const CLIENTS = 20
const STEPS = 500
const SEED = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000_007)

const step = fc.record({
  resource: fc.constantFrom('items' as const, 'products' as const),
  what: fc.constantFrom(
    ...(['create', 'create', 'read', 'read', 'read', 'sparse', 'cached', 'patch', 'replace', 'remove'] as const),
    ...(['list', 'list', 'foreign', 'missing', 'taken', 'broken', 'invalid', 'stale', 'once', 'rehearsed'] as const),
    ...(['patch', 'strike', 'trespass', 'clash', 'astray', 'twins', 'twins', 'rivals', 'rivals', 'again'] as const)
  ),
  pick: fc.nat(),
  value: fc.nat(1_000_000)
})
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

const scripts = fc.sample(fc.array(step, { minLength: STEPS, maxLength: STEPS, size: 'max' }), {
  numRuns: CLIENTS,
  seed: SEED
})

/** A client of one server: it runs its steps one after the other, on rows of its own. */
class Client {
  readonly answers: unknown[] = []
  readonly #server: TestApp
  readonly #token: string
  readonly #name: string
  readonly #fixed: Fixed
  readonly #rows = { items: [] as string[], products: [] as string[] }
  readonly #names: Map<string, string>

  constructor(server: TestApp, token: string, name: string, fixed: Fixed) {
    this.#server = server
    this.#token = token
    this.#name = name
    this.#fixed = fixed
    this.#names = new Map(Object.entries(fixed).map(([what, id]) => [id, what]))
  }

  async run(script: Step[]): Promise<void> {
    for (const [index, one] of script.entries()) {
      const answered = await this.#do(one, index)
      // The order of parallel answers is not defined.
      const told = Array.isArray(answered) ? answered.map((answer) => this.#told(answer)).sort() : this.#told(answered)
      this.answers.push([one, told])
    }
  }

  async #do({ resource, what, pick, value }: Step, index: number): Promise<Answered | Answered[]> {
    const rows = this.#rows[resource]
    const path = `/api/v1/${resource}`
    const id = rows[pick % rows.length] ?? this.#fixed.missing
    const text = `${this.#name} ${index}`
    const whole =
      resource === 'items' ? { title: text } : { sku: text, name: this.#name, priceCents: value, tags: ['a "b"', 'ü'] }
    const part = resource === 'items' ? { description: text } : { stock: value }
    const ask = (method: string, url: string, body?: unknown, headers?: Record<string, string>): Promise<Answered> =>
      patiently(() => this.#server.send(method, url, { as: this.#token, body, ...(headers && { headers }) }))
    const make = async (headers?: Record<string, string>) => {
      const answer = await ask('POST', path, whole, headers)
      if (answer.status === 201) this.#keep(rows, answer.body.id)
      return answer
    }
    const remove = async (headers?: Record<string, string>) => {
      const answer = await ask('DELETE', `${path}/${id}`, undefined, headers)
      if (answer.status === 204 && rows.includes(id)) rows.splice(rows.indexOf(id), 1)
      return answer
    }
    const someVersion = { 'if-match': `"${(value % 3) + 1}", "${(value % 5) + 1}"` }
    // Their answers tell only whether they were made; the row afterwards shows which of them count.
    const race = async (bodies: object[], headers?: Record<string, string>) => {
      const made = await Promise.all(bodies.map((body) => ask('PATCH', `${path}/${id}`, body, headers)))
      return [...made.map((answer) => ({ ...answer, body: undefined, text: '' })), await ask('GET', `${path}/${id}`)]
    }
    switch (what) {
      case 'create':
        return make()
      case 'read':
        return ask('GET', `${path}/${id}`)
      case 'sparse':
        return ask('GET', `${path}/${id}?fields=id,createdAt`)
      case 'cached':
        return ask('GET', `${path}/${id}`, undefined, { 'if-none-match': `"${(value % 3) + 1}"` })
      case 'patch':
        return ask('PATCH', `${path}/${id}`, part)
      case 'replace':
        return ask('PUT', `${path}/${id}`, { ...whole, ...part })
      case 'stale':
        return ask('PATCH', `${path}/${id}`, part, { 'if-match': `"${(value % 3) + 1}"` })
      case 'remove':
        return remove()
      case 'strike':
        return remove(someVersion)
      case 'trespass':
        return ask(value % 2 ? 'PATCH' : 'DELETE', `/api/v1/items/${this.#fixed.item}`, value % 2 ? part : undefined)
      case 'clash':
        return ask('PATCH', `/api/v1/products/${this.#rows.products.at(-1) ?? id}`, { sku: 'fixed', stock: value })
      case 'astray':
        return ask('PATCH', `/api/v1/products/${this.#rows.products[0] ?? id}`, { categoryId: this.#fixed.missing })
      case 'twins':
        return race([part, resource === 'items' ? { title: text } : { name: this.#name, priceCents: value }])
      case 'rivals':
        return race([part, part, part], someVersion)
      case 'again': {
        const headers = { 'idempotency-key': text.replace(/ /g, '-') }
        const first = await ask('PATCH', `${path}/${id}`, part, headers)
        return [first, await ask('PATCH', `${path}/${id}`, part, headers)]
      }
      case 'list': {
        // Each user sees its own items under the same URL.
        const filter = resource === 'items' ? '' : `&name=${this.#name}`
        return ask('GET', `${path}?limit=${(value % 20) + 1}&sort=id${filter}`)
      }
      case 'foreign':
        return ask('GET', `${path}/${resource === 'items' ? this.#fixed.item : this.#fixed.product}`)
      case 'missing':
        return ask('GET', `${path}/${this.#fixed.missing}`)
      case 'taken':
        return ask('POST', '/api/v1/products', { sku: 'fixed', name: this.#name, priceCents: 1 })
      case 'broken':
        return ask('POST', '/api/v1/products', { ...whole, sku: text, categoryId: this.#fixed.missing })
      case 'invalid':
        return ask('POST', path, { ...whole, title: null, surplus: 1 })
      case 'once':
        return make({ 'idempotency-key': text })
      case 'rehearsed':
        return ask('POST', path, whole, { prefer: 'tx=rollback' })
    }
  }

  #keep(rows: string[], id: string): void {
    rows.push(id)
    this.#names.set(id, `${this.#name} #${this.#names.size}`)
  }

  // The parts that both servers must answer alike: all but ids, times, cursors and request ids.
  #told({ status, headers, body, text }: Answered): unknown {
    const { etag, location, allow } = headers
    // A tag that hashes the text differs as ids and times do; of a row's own tag the version counts.
    const tag = etag?.replace(/^W\/".*"$/, 'a weak tag').replace(/-[0-9a-f]{16}"$/, '-hash"')
    const seen = JSON.stringify({ status, tag, location, allow, body: body ?? text }, (key, value) => {
      if (key === 'instance') return undefined
      return key === 'next' || key === 'previous' ? value !== null : value
    })
    return seen
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, (id) => this.#names.get(id) ?? 'an id')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'a moment')
  }
}

interface Fixed {
  item: string
  product: string
  missing: string
}

async function startClients(batches: boolean): Promise<Client[]> {
  const server = await startApp(t, { RATE_LIMIT_ENABLED: 'false' }, { batches })
  const admin = await server.someone('admin')
  const post = async (url: string, body: unknown) => (await server.send('POST', url, { as: admin.token, body })).body.id
  const fixed = {
    item: await post('/api/v1/items', { title: 'somebody else’s' }),
    product: await post('/api/v1/products', { sku: 'fixed', name: 'fixed', priceCents: 1 }),
    missing: '0192f0c1-2345-7abc-8def-0123456789ab'
  }
  await server.send('POST', '/api/v1/roles', { as: admin.token, body: { name: 'seller', scopes: SCOPES } })
  const tokens = []
  for (let index = 0; index < CLIENTS; index += 1) tokens.push((await server.someone('seller')).token)
  return tokens.map((token, index) => new Client(server, token, `client ${index}`, fixed))
}

const SCOPES = ['read', 'write', 'delete'].flatMap((verb) => [`items:${verb}`, `products:${verb}`])

t.test(`${CLIENTS * STEPS} steps at once are answered as one by one, seed ${SEED}`, async (t) => {
  const [batched, plain] = [await startClients(true), await startClients(false)]
  await Promise.all(batched.map((client, index) => client.run(scripts[index] as Step[])))
  for (const [index, client] of plain.entries()) await client.run(scripts[index] as Step[])
  for (const [index, client] of batched.entries()) {
    t.strictSame(client.answers, (plain[index] as Client).answers, `client ${index}`)
  }
})
