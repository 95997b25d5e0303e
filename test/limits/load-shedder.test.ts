import t from 'tap'
import { LoadShedder, type Priority } from '#src/limits/load-shedder.ts'

const order: Priority[] = ['batch', 'interactive', 'critical']

/** Who is still served. */
const served = (pressure: LoadShedder, waiting = 0, waitedMs = 0) =>
  order.filter((priority) => pressure.admits(priority, waiting, waitedMs))

t.test(
  'as more requests are in progress, first batches are refused, then single rows, critical keys last',
  async (t) => {
    const pressure = new LoadShedder(true)
    const begin = (count: number) => Array.from({ length: count }, () => pressure.begin())
    t.same(served(pressure), order)
    begin(501)
    t.same(served(pressure), ['interactive', 'critical'])
    begin(1500)
    t.same(served(pressure), ['critical'])
    begin(500)
    t.same(served(pressure), [])
    for (let count = 0; count < 2501; count += 1) pressure.end()
    t.same(served(pressure), order)
  }
)

t.test('so do statements that wait', async (t) => {
  const pressure = new LoadShedder(true)
  t.same(
    [199, 200, 799, 800, 999, 1000].map((waiting) => served(pressure, waiting).length),
    [3, 2, 2, 1, 1, 0]
  )
})

t.test('so does the time for which they wait, where the database is a server', async (t) => {
  t.same(
    [99, 100, 199, 200, 499, 500].map((waitedMs) => served(new LoadShedder(true), 1, waitedMs).length),
    [3, 2, 2, 1, 1, 0]
  )
  t.same(served(new LoadShedder(false), 1, 5000), order)
})

t.test('an event loop that is always late is overloaded; one long pause is not', async (t) => {
  const pressure = new LoadShedder(true)
  pressure.sample(5000)
  t.same(served(pressure), order)
  for (let count = 0; count < 5; count += 1) pressure.sample(50)
  t.same(served(pressure), ['interactive', 'critical'])
  for (let count = 0; count < 5; count += 1) pressure.sample(100)
  t.same(served(pressure), ['critical'])
  pressure.sample(3)
  t.same(served(pressure), order)

  const embedded = new LoadShedder(false)
  for (let count = 0; count < 5; count += 1) embedded.sample(5000)
  t.same(served(embedded), order, 'where the loop is late for another reason')
})

t.test('to come back is advised when the work at hand is done, not to all at the same time', async (t) => {
  const pressure = new LoadShedder(true)
  const advised = () => Array.from({ length: 200 }, () => pressure.retryAfter())
  for (const seconds of advised()) t.ok(seconds >= 1 && seconds <= 2, 'nothing to do')
  for (let sample = 0; sample < 100; sample += 1) {
    for (let count = 0; count < 10; count += 1) {
      pressure.begin()
      pressure.end()
    }
    pressure.sample(0)
  }
  // 200 a second are done.
  for (let count = 0; count < 600; count += 1) pressure.begin()
  const seconds = new Set(advised())
  t.ok(seconds.size > 1)
  for (const one of seconds) t.ok(one >= 3 && one <= 6, `${one} s`)
  for (let count = 0; count < 100_000; count += 1) pressure.begin()
  for (const one of advised()) t.ok(one <= 17)
})

t.test('how late the loop is is measured while it is watched', async (t) => {
  const pressure = new LoadShedder(true)
  const sampled = Promise.withResolvers<number>()
  pressure.sample = (delayMs) => sampled.resolve(delayMs)
  const unwatch = pressure.watch()
  // The timer keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  t.ok((await sampled.promise) >= 0)
  clearInterval(alive)
  unwatch()
})
