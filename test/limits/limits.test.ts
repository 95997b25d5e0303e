import t from 'tap'
import { RedisWindowStore } from '#src/limits/redis-store.ts'
import { criticalTiers, isWithinTier, parseTiers } from '#src/limits/tiers.ts'
import { WindowStore } from '#src/limits/window-store.ts'

t.test('a window counts, and starts anew when it has ended', async (t) => {
  let now = 1000
  const store = new WindowStore(() => now)
  t.same(store.add('a', 100), { current: 1, ttl: 100 })
  now = 1040
  t.same(store.add('a', 100), { current: 2, ttl: 60 })
  t.same(store.add('b', 100), { current: 1, ttl: 100 })
  t.same(store.add('a', 100, -1), { current: 1, ttl: 60 })
  t.same(store.add('a', 100, -5), { current: 0, ttl: 60 }, 'never below nothing')
  now = 1100
  t.same(store.add('a', 100), { current: 1, ttl: 100 })
})

t.test('many keys do not fill the memory, and used ones are kept', async (t) => {
  const store = new WindowStore(() => 0)
  for (let index = 0; index < 300_000; index += 1) {
    store.add(`address ${index}`, 1000)
    if (index % 1000 === 0) store.add('busy', 1000)
  }
  t.equal(store.add('busy', 1000).current, 301)
  t.equal(store.add('address 0', 1000).current, 1, 'long forgotten')
})

t.test('while Redis fails the count continues locally, with one report', async (t) => {
  const reports: unknown[] = []
  const failing = { eval: async () => Promise.reject(new Error('gone')) }
  const store = new RedisWindowStore(failing, (error) => reports.push(error))
  t.match(await store.add('a', 1000), { current: 1 })
  t.match(await store.add('a', 1000), { current: 2 })
  t.equal(reports.length, 1)
  const silent = new RedisWindowStore({ eval: () => new Promise(() => {}) }, (error) => reports.push(error))
  t.match(await silent.add('a', 1000), { current: 1 })
  t.match(reports[1], { message: /did not answer/ })
})

t.test('with Redis the count is the one in Redis', async (t) => {
  const asked: unknown[] = []
  const redis = { eval: async (_script: string, ...more: unknown[]) => asked.push(more) && [7, 900] }
  const store = new RedisWindowStore(redis, () => t.fail('Redis answered'))
  t.same(await store.add('a', 1000), { current: 7, ttl: 900 })
  t.same(asked, [[1, 'tenon:limit:a', 1000, 1]])
})

t.test('tiers are added to the built-in ones, or replace them', async (t) => {
  t.same([...parseTiers(undefined).keys()], ['anonymous', 'standard', 'high', 'unlimited'])
  const tiers = parseTiers('{"partner": [{"limit": 5, "seconds": 1}], "high": []}')
  t.same(tiers.get('partner'), [{ limit: 5, seconds: 1 }])
  t.same(tiers.get('high'), [])
  for (const text of [
    '{',
    '[]',
    '{"a b": []}',
    '{"a": [{"limit": 0, "seconds": 1}]}',
    '{"a": 5}',
    '{"a": [{"limit": 1}]}',
    '{"a": {"windows": []}}',
    '{"a": {"windows": [], "priority": "high"}}'
  ]) {
    t.throws(() => parseTiers(text), Error, text)
  }
})

t.test('a tier may be marked critical', async (t) => {
  const text = '{"till": {"windows": [{"limit": 5, "seconds": 1}], "priority": "critical"}, "partner": []}'
  t.same(parseTiers(text).get('till'), [{ limit: 5, seconds: 1 }])
  t.same([...criticalTiers(text)], ['till'])
  t.same([...criticalTiers(undefined)], [])
})

t.test('a tier that is no longer configured counts as standard', async (t) => {
  const tiers = parseTiers(undefined)
  t.equal(isWithinTier(tiers, 'gone', 'standard'), true)
  t.equal(isWithinTier(tiers, 'high', 'gone'), false)
})
