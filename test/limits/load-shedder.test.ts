import t from 'tap'
import { LoadShedder, NO_QUEUE, type Priority, type Queue } from '#src/limits/load-shedder.ts'

const order: Priority[] = ['batch', 'interactive', 'critical']

/** The priorities that are still served. */
const served = (shedder: LoadShedder, queue: Partial<Queue> = {}, patienceMs?: number) =>
  order.filter((priority) => shedder.admits(priority, { ...NO_QUEUE, ...queue }, patienceMs))

t.test(
  'as more requests are in progress, batches are refused first, then single rows, critical keys last',
  async (t) => {
    const shedder = new LoadShedder(true)
    const begin = (count: number) => Array.from({ length: count }, () => shedder.begin())
    t.same(served(shedder), order)
    begin(1001)
    t.same(served(shedder), ['interactive', 'critical'])
    begin(1000)
    t.same(served(shedder), ['critical'])
    begin(500)
    t.same(served(shedder), [])
    for (let count = 0; count < 2501; count += 1) shedder.end()
    t.same(served(shedder), order)
  }
)

t.test('the same for waiting statements', async (t) => {
  const shedder = new LoadShedder(true)
  t.same(
    [499, 500, 799, 800, 999, 1000].map((waiting) => served(shedder, { waiting }).length),
    [3, 2, 2, 1, 1, 0]
  )
})

t.test('the same for the time that they have waited, where the database is a server', async (t) => {
  t.same(
    [999, 1000, 1199, 1200, 1399, 1400].map((waitedMs) => served(new LoadShedder(true), { waitedMs }).length),
    [3, 2, 2, 1, 1, 0]
  )
  t.same(served(new LoadShedder(false), { waitedMs: 5000, predictedMs: 5000 }), order)
})

t.test('the same for the predicted wait, once the queue stands', async (t) => {
  const shedder = new LoadShedder(true)
  t.same(
    [999, 1000, 1199, 1200, 1399, 1400].map((predictedMs) => served(shedder, { waitedMs: 350, predictedMs }).length),
    [3, 2, 2, 1, 1, 0]
  )
  t.same(served(shedder, { waitedMs: 200, predictedMs: 5000 }), order, 'a burst is over in a moment')
})

t.test('a client with less patience is refused earlier, and one with more is not served later', async (t) => {
  const shedder = new LoadShedder(true)
  t.same(served(shedder, { waitedMs: 100, predictedMs: 350 }, 300), [])
  t.same(served(shedder, { waitedMs: 100, predictedMs: 250 }, 300), order)
  t.same(served(shedder, { waitedMs: 1400, predictedMs: 1400 }, 60_000), [])
})

t.test('an event loop that is always late is overloaded; one long pause is not', async (t) => {
  const shedder = new LoadShedder(true)
  shedder.sample(5000)
  t.same(served(shedder), order)
  for (let count = 0; count < 5; count += 1) shedder.sample(50)
  t.same(served(shedder), order, 'what comes is done soon all the same: the machine is slow')
  // No request ends, so the predicted time is long.
  for (let count = 0; count < 3; count += 1) shedder.begin()
  t.same(served(shedder), ['interactive', 'critical'])
  for (let count = 0; count < 5; count += 1) shedder.sample(100)
  t.same(served(shedder), ['critical'])
  shedder.sample(3)
  t.same(served(shedder), order)

  const embedded = new LoadShedder(false)
  for (let count = 0; count < 5; count += 1) embedded.sample(5000)
  t.same(served(embedded), order, 'where the loop is late for another reason')
})

t.test('the advised wait ends when the current work is done, and differs between clients', async (t) => {
  const shedder = new LoadShedder(true)
  const advised = () => Array.from({ length: 200 }, () => shedder.retryAfter())
  for (const seconds of advised()) t.ok(seconds >= 1 && seconds <= 2, 'nothing to do')
  for (let sample = 0; sample < 100; sample += 1) {
    for (let count = 0; count < 10; count += 1) {
      shedder.begin()
      shedder.end()
    }
    shedder.sample(0)
  }
  // 200 a second end.
  for (let count = 0; count < 600; count += 1) shedder.begin()
  const seconds = new Set(advised())
  t.ok(seconds.size > 1)
  for (const one of seconds) t.ok(one >= 3 && one <= 6, `${one} s`)
  for (let count = 0; count < 100_000; count += 1) shedder.begin()
  for (const one of advised()) t.ok(one <= 17)
})

t.test('the delay of the event loop is measured while it is watched', async (t) => {
  const shedder = new LoadShedder(true)
  const sampled = Promise.withResolvers<number>()
  shedder.sample = (delayMs) => sampled.resolve(delayMs)
  const unwatch = shedder.watch()
  // The timer keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  t.ok((await sampled.promise) >= 0)
  clearInterval(alive)
  unwatch()
})
