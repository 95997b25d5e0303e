import { sql } from 'drizzle-orm'
import t from 'tap'
import { startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t)
const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]
const path = '/api/v1/products'
const { id: category } = (await send('POST', '/api/v1/categories', { as: admin.token, body: { name: 'Desks' } })).body
const items = [
  { sku: 'A', name: 'Desk, oak', priceCents: 300, stock: 3, tags: ['wood'], categoryId: category },
  { sku: 'B', name: 'Desk (big)', priceCents: 200, stock: 0, tags: ['wood', 'x'] },
  { sku: 'C', name: 'Chair "one"', priceCents: 200, stock: 7, active: false, categoryId: category },
  { sku: 'D', name: 'Shelf', priceCents: 100, stock: 1 }
]
await send('POST', `${path}/bulk`, { as: admin.token, body: { items } })
const query = (text: string) => encodeURIComponent(text)
const skus = async (or: string, more = '') => {
  const { body } = await send('GET', `${path}?sort=sku&or=${query(or)}${more}`)
  return body.data?.map((row: { sku: string }) => row.sku).join('') ?? body.details
}

t.test('or: rows that meet any of the conditions, all of a group in and(…)', async (t) => {
  for (const [or, found] of [
    ['(sku=A,sku=D)', 'AD'],
    ['(priceCents[lt]=200,stock=0)', 'BD'],
    ['(and(priceCents=200,stock[gt]=0),sku=A)', 'AC'],
    ['(and(sku=A,stock=3))', 'A'],
    ['(sku[in]=(A,B),active=false)', 'ABC'],
    ['(name="Desk, oak",name="Chair \\"one\\"")', 'AC'],
    ['(name[in]=("Desk, oak","Desk (big)"))', 'AB'],
    ['(categoryId[isNull]=true,sku=A)', 'ABD'],
    ['(categoryId[isNull]=false)', 'AC'],
    ['(tags[has]=(wood,x),stock=1)', 'BD'],
    ['(sku[in]=A,stock=0)', 'AB'],
    ['(name[in]="Desk, oak")', 'A']
  ] as const)
    t.equal(await skus(or), found, or)
  t.equal(await skus('(sku=A,sku=B,sku=D)', '&stock[gt]=0'), 'AD', 'other filters hold as well')
  t.equal(await skus('(sku=A,sku=B)', `&or=${query('(stock=0,stock=7)')}`), 'B', 'each group must be met')
  const { body } = await send('GET', `${path}?limit=1&sort=sku&count=exact&or=${query('(sku=A,sku=D)')}`)
  t.equal(body.page.total, 2)
  const next = await send('GET', `${path}?sort=sku&or=${query('(sku=A,sku=D)')}&cursor=${body.page.next}`)
  t.match(next.body.data, [{ sku: 'D' }])
})

t.test('and, or and not nest, and not includes what is null', async (t) => {
  const found = async (parameter: string, text: string) => {
    const { body } = await send('GET', `${path}?sort=sku&${parameter}=${query(text)}`)
    return body.data?.map((row: { sku: string }) => row.sku).join('') ?? body.details
  }
  for (const [parameter, text, skus] of [
    ['and', '(or(sku=A,sku=B),stock[gt]=0)', 'A'],
    ['not', '(sku=A)', 'BCD'],
    ['not', '(or(sku=A,stock=0))', 'CD'],
    ['not', `(categoryId=${category})`, 'BD'],
    ['not', `(categoryId[ne]=${category})`, 'AC'],
    ['or', '(not(stock[gt]=0),and(priceCents=200,or(sku=C,not(active=true))))', 'BC'],
    ['and', '(not(not(sku[in]=(A,B))))', 'AB']
  ] as const)
    t.equal(await found(parameter, text), skus, `${parameter}=${text}`)
  for (const [parameter, text] of [
    ['not', '(sku=A,sku=B)'],
    ['and', '(and(and(and(and(and(sku=A))))))'],
    ['not', 'sku=A']
  ] as const)
    t.match(await found(parameter, text), [{ in: 'query', path: `/${parameter}`, code: 'syntax' }], text)
  t.match(await found('and', '(not(colour=red))'), [{ path: '/and/colour', code: 'unknown' }])
  t.match(await found('and', `(or(${Array(11).fill('sku=A').join()}),or(${Array(11).fill('sku=A').join()}))`), [
    { code: 'maxFilters' }
  ])
})

t.test('id and updatedAt are filters of every list', async (t) => {
  const { body } = await send('GET', `${path}?sku=A`)
  const { id, updatedAt } = body.data[0]
  t.match((await send('GET', `${path}?id=${id}`)).body.data, [{ sku: 'A' }])
  t.match((await send('GET', `${path}?id[in]=${id}&updatedAt[gte]=${updatedAt}`)).body.data, [{ sku: 'A' }])
  t.match((await send('GET', `${path}?sku=A&updatedAt[gt]=${updatedAt}`)).body.data, [])
})

t.test('or: what cannot be read, is not declared or not of its type is refused, and named', async (t) => {
  for (const or of [
    '',
    'sku=A',
    '(',
    '()',
    '(sku=A',
    '(sku=A)x',
    '(sku)',
    '(sku="A)',
    '(and(sku=A)',
    '(sku[in]=(A)',
    '(sku[in]=(A,)x)'
  ]) {
    t.match(await skus(or), [{ in: 'query', path: '/or', code: 'syntax' }], or)
  }
  t.match(await skus('(colour=red)'), [{ path: '/or/colour', code: 'unknown' }])
  t.match(await skus('(description=x)'), [{ path: '/or/description', code: 'unknown' }])
  t.match(await skus('(stock[gt]=x)'), [{ path: '/or/stock[gt]', code: 'type' }])
  t.match(await skus(`(${Array(21).fill('sku=A').join()})`), [{ code: 'maxFilters' }])
  t.match(await skus('(sku=A)', `&or=${query('(sku=A)')}`.repeat(5)), [{ path: '/or', code: 'anyOf' }])
  const theirs = await send('GET', `/api/v1/items?or=${query(`(ownerId=${ada.id},title=x)`)}`, { as: bob.token })
  t.same(theirs.body.data, [])
})

const aggregate = async (text: string) => (await send('GET', `${path}/aggregate?${text}`)).body

t.test('aggregates all rows, those that match, or groups of them', async (t) => {
  t.same((await aggregate('')).data, [{ count: 4 }])
  t.same((await aggregate('sum=priceCents,stock&avg=priceCents&min=stock,name&max=stock')).data, [
    {
      count: 4,
      sum: { priceCents: 800, stock: 11 },
      avg: { priceCents: 200 },
      min: { stock: 0, name: 'Chair "one"' },
      max: { stock: 7 }
    }
  ])
  t.same((await aggregate('sum=stock&groupBy=categoryId,active')).data, [
    { group: { categoryId: category, active: false }, count: 1, sum: { stock: 7 } },
    { group: { categoryId: category, active: true }, count: 1, sum: { stock: 3 } },
    { group: { categoryId: null, active: true }, count: 2, sum: { stock: 1 } }
  ])
  t.same((await aggregate(`sum=stock&min=stock&sku=nothing`)).data, [
    { count: 0, sum: { stock: null }, min: { stock: null } }
  ])
  t.same((await aggregate(`groupBy=sku&or=${query('(stock=0,stock=7)')}`)).data.length, 2)
  t.match((await aggregate('max=createdAt')).data, [{ max: { createdAt: /^\d{4}-.*Z$/ } }])
  const v2 = await send('GET', '/api/v2/products/aggregate?sum=price.amount&groupBy=active&q=desk')
  t.same(v2.body.data, [{ group: { active: true }, count: 2, sum: { 'price.amount': 500 } }])
})

t.test('groups are sorted by their figures, chosen by them, and cut to the first', async (t) => {
  const groups = async (text: string) => {
    const { data, details } = await aggregate(`groupBy=priceCents&${text}`)
    return data?.map(({ group }: { group: { priceCents: number } }) => group.priceCents).join() ?? details
  }
  t.equal(await groups('sort=-sum.stock'), '200,300,100')
  t.equal(await groups('sort=-count,-priceCents&limit=2'), '200,300')
  t.equal(await groups('sort=avg.stock'), '100,300,200')
  t.equal(await groups(`having=${query('(count[gte]=2)')}`), '200')
  t.equal(await groups(`having=${query('(or(sum.stock=3,not(avg.stock[gt]=1)))')}`), '100,300')
  t.match(await groups('sort=sku'), [{ path: '/sort', code: 'notGrouped' }])
  t.match(await groups(`having=${query('(max.stock=1)')}`), [{ path: '/having/max.stock', code: 'unknown' }])
  t.match(await groups(`having=${query('(count[like]=1)')}`), [{ path: '/having/count[like]', code: 'unknown' }])
  t.match(await groups(`having=${query('(count=x)')}`), [{ path: '/having/count', code: 'type' }])
  t.match(await groups('having=count'), [{ path: '/having', code: 'syntax' }])
})

t.test('moments are grouped by the time in which they lie, in UTC', async (t) => {
  const { createdAt } = (await send('GET', `${path}?sku=A`)).body.data[0]
  t.match((await aggregate('groupBy=createdAt.year&sku[in]=A,B')).data, [
    { group: { 'createdAt.year': `${createdAt.slice(0, 4)}-01-01T00:00:00.000Z` }, count: 2 }
  ])
  t.match((await aggregate('groupBy=createdAt.month,active&sort=-createdAt.month')).data, [
    { group: { active: false } },
    {}
  ])
})

t.test('aggregates only what is declared and has a sum or an order, and only own rows', async (t) => {
  for (const text of [
    'sum=name',
    'sum=description',
    'max=tags',
    'min=categoryId',
    'groupBy=tags',
    'groupBy=description',
    'median=stock'
  ]) {
    t.match(await aggregate(text), { status: 422 }, text)
  }
  await send('POST', '/api/v1/items', { as: ada.token, body: { title: 'Mine' } })
  const count = async (as: string) => (await send('GET', '/api/v1/items/aggregate', { as })).body.data[0].count
  t.same([await count(ada.token), await count(bob.token), await count(admin.token)], [1, 0, 1])
})

t.test('more than a thousand groups are refused', async (t) => {
  const many = Array.from({ length: 1000 }, (_, n) => ({ sku: `many ${n}`, name: 'x', priceCents: 1 }))
  await send('POST', `${path}/bulk`, { as: admin.token, body: { items: many } })
  t.match(await aggregate('groupBy=sku'), { status: 422, details: [{ path: '/groupBy', code: 'maxGroups' }] })
})

t.test(
  'q finds every word by its beginning, whatever stands between words, and whatever their case and accents',
  async (t) => {
    const texts = {
      slash: 'Lamp black/white AC/DC, node.js',
      accent: 'Café Zürich Łódź STRASSE ΟΔΟΣ Ёлка',
      composed: 'Cafe\u0301 ﬁne ＦＵＬＬ x\u00adray',
      mail: 'Ask ada.lovelace@mail.example.com (desk 12,5×3)',
      long: `${'x'.repeat(3000)} end`
    }
    const items = Object.entries(texts).map(([key, description]) => ({
      sku: `OAK-1200-${key}`,
      name: 'q',
      priceCents: 1,
      description
    }))
    await send('POST', `${path}/bulk`, { as: admin.token, body: { items } })
    const found: [q: string, keys: string][] = [
      ['white', 'slash'],
      ['black/white', 'slash'],
      ['dc', 'slash'],
      ['JS node', 'slash'],
      ['cafe', 'accent composed'],
      ['CAFÉ', 'accent composed'],
      ['cafe\u0301', 'accent composed'],
      ['zurich', 'accent'],
      ['lodz straße οδος елка', 'accent'],
      ['fine full xray', 'composed'],
      ['example.com', 'mail'],
      ['lovelace@mail', 'mail'],
      ['12,5', 'mail'],
      ['1200 OAK', 'accent composed long mail slash'],
      ['oak-12', 'accent composed long mail slash'],
      ["' | 'x", 'long composed'.split(' ').sort().join(' ')],
      ['hite', ''],
      [`${'x'.repeat(199)}`, 'long'],
      ['end', 'long']
    ]
    for (const [q, keys] of found) {
      const { body } = await send('GET', `${path}?name=q&sort=sku&fields=sku&q=${query(q)}`)
      t.equal(body.data.map(({ sku }: { sku: string }) => sku.slice(9)).join(' '), keys, q)
    }
  }
)

t.test('a text over the limit of a tsvector is found by its first words', async (t) => {
  const words = Array.from({ length: 300_000 }, (_, n) => `w${n.toString(36)}`).join(' ')
  await app.db.execute(sql`update products set description = ${words} where sku = 'D'`)
  const { body } = await send('GET', `${path}?sort=sku&fields=sku&q=w10`)
  t.same(body.data, [{ sku: 'D' }])
})

t.test('only callers that see all rows get an estimate: for others only their own rows are counted', async (t) => {
  // The planner would say that most rows have this title.
  await app.db.execute(sql`
    insert into items (id, owner_id, title) select gen_random_uuid(), ${ada.id}, 'payroll' from generate_series(1, 10500)`)
  await app.db.execute(sql`analyze items`)
  const count = async (as: string, title: string, how = 'estimated') =>
    (await send('GET', `/api/v1/items?limit=1&count=${how}&title[like]=${query(title)}`, { as })).body.page.total
  t.same([await count(bob.token, 'payroll%'), await count(bob.token, 'nothing%')], [0, 0])
  t.equal(await count(ada.token, 'pay%'), 10_500)
  const estimated = await count(admin.token, 'pay%')
  t.ok(estimated > 10_000 && estimated < 11_000, `${estimated}`)
})

t.test('sums and means are exact: a text where a double cannot hold them', async (t) => {
  await app.db.execute(sql`
    insert into orders (id, user_id, status, total_cents, currency, placed_at)
    select gen_random_uuid(), ${ada.id}, 'pending', 9007199254740990 + n, 'USD', now() from generate_series(0, 1) as n`)
  const { body } = await send('GET', '/api/v1/orders/aggregate?sum=totalCents&avg=totalCents&max=totalCents', {
    as: ada.token
  })
  t.match(body.data, [
    {
      sum: { totalCents: '18014398509481981' },
      max: { totalCents: 9_007_199_254_740_991 },
      avg: { totalCents: Number }
    }
  ])
  // What no body can set another program may.
  await app.db.execute(sql`update orders set total_cents = 9223372036854775807`)
  const beyond = await send('GET', '/api/v1/orders/aggregate?avg=totalCents', { as: ada.token })
  t.match(beyond.body.data, [{ avg: { totalCents: /^9223372036854775807/ } }])
  const { data } = (await send('GET', '/api/v1/orders?fields=totalCents&limit=1', { as: ada.token })).body
  t.equal(data.length, 1)
})
