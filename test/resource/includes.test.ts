import t from 'tap'
import { startApp } from '#test/support/app.ts'
import { fixtures } from '#test/support/fixtures.ts'
import { noteStatements } from '#test/support/statements.ts'

const { app, send, someone } = await startApp(t)
const other = await startApp(t, {}, fixtures)
// Before anything is prepared.
const [statements, others] = [noteStatements(app), noteStatements(other.app)]
const [admin, ada] = [await someone('admin'), await someone()]

async function make(url: string, body: object, as = admin.token): Promise<string> {
  return (await send('POST', url, { as, body })).body.id
}
const chair = await make('/api/v1/products', { sku: 'CHAIR', name: 'Chair', priceCents: 5, stock: 99 })
const desk = await make('/api/v1/products', { sku: 'DESK', name: 'Desk', priceCents: 7, stock: 99 })
const lines = [
  { productId: desk, quantity: 1 },
  { productId: chair, quantity: 2 },
  { productId: desk, quantity: 1 }
]
for (const as of [ada.token, ada.token, admin.token]) await make('/api/v1/orders', { lines }, as)

t.test('an include inside an include takes one statement more', async (t) => {
  let answer = await send('GET', '/livez')
  const sent = await statements.of(async () => {
    answer = await send('GET', '/api/v1/orders?include=lines.product', { as: ada.token })
  })
  t.equal(sent.length, 3, 'orders, lines, products')
  const { status, body } = answer
  t.equal(status, 200)
  t.equal(body.data.length, 2)
  for (const order of body.data) {
    t.same(
      order.lines.map((line: { product: { sku: string } }) => line.product.sku),
      ['DESK', 'CHAIR', 'DESK']
    )
    t.same(order.lines[1].product, (await send('GET', `/api/v1/products/${chair}`)).body)
  }
  const sparse = await send('GET', '/api/v1/orders?include=lines.product&fields=status', { as: ada.token })
  t.same(Object.keys(sparse.body.data[0]).sort(), ['lines', 'status'])
  const plain = await send('GET', '/api/v1/orders', { as: ada.token })
  t.notOk('product' in plain.body.data[0].lines[0], 'and left out where nobody asks')
  t.equal((await send('GET', '/api/v1/orders?include=lines.nothing', { as: ada.token })).status, 422)
})

t.test('three levels of many to many, one to many and many to one cost four statements', async (t) => {
  const { send, someone } = other
  const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]
  const product = async (sku: string) => {
    const body = { sku, name: sku, priceCents: 5, stock: 99 }
    return (await send('POST', '/api/v1/wares', { as: admin.token, body })).body.id
  }
  const [cup, pot] = [await product('CUP'), await product('POT')]
  const place = async (as: string) => {
    const lines = [cup, pot, cup].map((productId) => ({ productId, quantity: 1 }))
    return (await send('POST', '/api/v1/orders', { as, body: { lines } })).body.id
  }
  const placed = { ada: [await place(ada.token), await place(ada.token)], bob: [await place(bob.token)] }
  const url = '/api/v1/wares?include=orders.lines.product,category&sort=sku'
  let answer = await send('GET', '/livez')
  const sent = await others.of(async () => {
    answer = await send('GET', url, { as: ada.token })
  })
  t.equal(sent.length, 4, 'no product has a category')
  const [first] = answer.body.data
  t.same(
    first.orders.map(({ id }: { id: string }) => id),
    placed.ada,
    "only the caller's, each once, in order"
  )
  t.same(
    first.orders[0].lines.map((line: { product: { sku: string } }) => line.product.sku),
    ['CUP', 'POT', 'CUP']
  )
  t.equal(first.category, null)
  t.notMatch(answer.text, new RegExp(bob.id))

  const all = await send('GET', url, { as: admin.token })
  t.equal(all.body.data[0].orders.length, 3, 'who may see all orders sees all')
  t.match(await send('GET', url), { status: 401, headers: { 'www-authenticate': /^Bearer/ } })
  t.equal((await send('GET', '/api/v1/wares')).status, 200, 'who does not ask is not refused')
  const buyers = '/api/v1/wares?include=orders.buyer'
  t.match(await send('GET', buyers, { as: ada.token }), {
    status: 403,
    body: { error: { details: { scope: 'users:read' } } }
  })
  const bought = await send('GET', buyers, { as: admin.token })
  t.match(bought.body.data[0].orders[0].buyer, { id: ada.id, email: ada.email })
  t.notMatch(bought.text, /password|argon/i)
})

t.test(
  'unguarded includes of concurrent requests are read in one batch, and each request gets its own rows',
  async (t) => {
    const as = admin.token
    const named = await send('POST', '/api/v1/categories', { as, body: { name: 'shared by all' } })
    const sku = (index: number) => `TOGETHER-${index}`
    const made = await Promise.all(
      [0, 1, 2].map((index) =>
        send('POST', '/api/v1/products', {
          as,
          body: { sku: sku(index), name: 'x', priceCents: 1, categoryId: index === 2 ? null : named.body.id }
        })
      )
    )
    const read = async () =>
      Promise.all(made.map(({ body: { id } }) => send('GET', `/api/v1/products/${id}?include=category`)))
    await read()
    const sent = await statements.of(async () => {
      const answers = await read()
      t.same(
        answers.map(({ body }) => [body.sku, body.category?.name ?? null]),
        [
          [sku(0), 'shared by all'],
          [sku(1), 'shared by all'],
          [sku(2), null]
        ]
      )
    })
    t.ok(sent.length <= 6)
  }
)
