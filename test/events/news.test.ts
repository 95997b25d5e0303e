import { sql } from 'drizzle-orm'
import t from 'tap'
import { EventNews } from '#src/events/news.ts'
import { startApp } from '#test/support/app.ts'
import { until } from '#test/support/until.ts'

const { app, send, someone } = await startApp(t)
const admin = await someone('admin')
const change = (sku: string) =>
  send('POST', '/api/v1/products', { as: admin.token, body: { sku, name: 'Thing', priceCents: 1 } })

async function follow() {
  const told = { count: 0 }
  const stop = await app.eventNews.follow(() => {
    told.count += 1
  })
  // That listening has begun counts as news.
  told.count = 0
  return { told, stop }
}

t.test('those that follow events are told of changes that requests make, and not of others', async (t) => {
  const { told, stop } = await follow()
  t.equal((await change('A')).status, 201)
  await until(() => told.count === 1)
  await send('POST', '/api/v1/categories', { as: admin.token, body: { name: 'without events' } })
  await send('GET', '/api/v1/products')
  t.equal(told.count, 1)
  stop()
  await change('B')
  t.equal(told.count, 1)
})

t.test('they are told of changes that other programs make', async (t) => {
  const { told, stop } = await follow()
  t.teardown(stop)
  await app.db.execute(sql`update products set name = 'By hand', version = version + 1`)
  await until(() => told.count > 0)
})

t.test('another process hears of them', async (t) => {
  const [one, other] = [1, 2].map(() => new EventNews(app.db, app.listenToDatabase, false)) as [EventNews, EventNews]
  t.teardown(() => Promise.all([one.close(), other.close()]))
  let heard = 0
  await other.follow(() => {
    heard += 1
  })
  await until(() => heard > 0)
  heard = 0
  one.recorded()
  await until(() => heard > 0)
})

t.test('changes in quick succession share a notification', async (t) => {
  let sent = 0
  const counting = {
    async execute() {
      sent += 1
    }
  }
  const news = new EventNews(counting as never, app.listenToDatabase, false, { apartMs: 20 })
  t.teardown(() => news.close())
  for (let count = 0; count < 20; count += 1) news.recorded()
  t.equal(sent, 1, 'the first at once')
  await until(() => sent === 2)
  await until(async () => {
    news.recorded()
    return sent === 3
  })
})

t.test('where nothing can be heard they look from time to time', async (t) => {
  const news = new EventNews(app.db, () => Promise.reject(new Error('a pooler')), false, { deafMs: 5 })
  t.teardown(() => news.close())
  let count = 0
  await news.follow(() => {
    count += 1
  })
  await until(() => count >= 3)
})

t.test('a notification that fails is no failure of the change', async (t) => {
  const broken = { execute: () => Promise.reject(new Error('away')) }
  const news = new EventNews(broken as never, app.listenToDatabase, false, { apartMs: 1 })
  t.teardown(() => news.close())
  let count = 0
  await news.follow(() => {
    count += 1
  })
  news.recorded()
  await until(() => count >= 2)
})
