import t from 'tap'
import { Limiter } from '#src/concurrency/limiter.ts'
import { runDetached, runInScope, runUncancellable, together } from '#src/concurrency/request-scope.ts'

const forever = 60_000
const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('runs up to the most at once, and the rest in the order of arrival', async (t) => {
  const limiter = new Limiter({ inFlight: 2, waiting: 10, waitMs: forever })
  const started: number[] = []
  const ends = Array.from({ length: 5 }, () => Promise.withResolvers<void>())
  const runs = ends.map(({ promise }, index) =>
    limiter.run(() => {
      started.push(index)
      return promise.then(() => index)
    })
  )
  await turn()
  t.same(started, [0, 1])
  t.same(limiter.load, { running: 2, waiting: 3 })
  ends[1]?.resolve()
  await turn()
  t.same(started, [0, 1, 2])
  for (const { resolve } of ends) resolve()
  t.same(await Promise.all(runs), [0, 1, 2, 3, 4])
  t.same(started, [0, 1, 2, 3, 4])
  t.same(limiter.load, { running: 0, waiting: 0 })
})

t.test('a place is handed over: a new task does not overtake the waiting ones', async (t) => {
  const limiter = new Limiter({ inFlight: 1, waiting: 10, waitMs: forever })
  const order: string[] = []
  const first = Promise.withResolvers<void>()
  const runs = [limiter.run(() => first.promise), limiter.run(async () => void order.push('waited'))]
  first.resolve()
  runs.push(first.promise.then(() => limiter.run(async () => void order.push('newcomer'))))
  await Promise.all(runs)
  t.same(order, ['waited', 'newcomer'])
})

t.test('refuses at once when too many wait', async (t) => {
  const limiter = new Limiter({ inFlight: 1, waiting: 1, waitMs: forever })
  const first = Promise.withResolvers<void>()
  const runs = [limiter.run(() => first.promise), limiter.run(() => first.promise)]
  await t.rejects(
    limiter.run(async () => t.fail('was run')),
    { code: 'OVERLOADED', statusCode: 503, headers: { 'retry-after': '1' } }
  )
  first.resolve()
  await Promise.all(runs)
  t.same(limiter.load, { running: 0, waiting: 0 })
})

t.test('the read for the answer to a change goes first and is never refused', async (t) => {
  const limiter = new Limiter({ inFlight: 1, waiting: 1, waitMs: forever })
  const first = Promise.withResolvers<void>()
  const order: string[] = []
  const runs = [limiter.run(() => first.promise), limiter.run(async () => void order.push('waited'))]
  runs.push(runUncancellable(() => limiter.run(async () => void order.push('answered'))))
  t.same(limiter.load, { running: 1, waiting: 2 })
  first.resolve()
  await Promise.all(runs)
  t.same(order, ['answered', 'waited'])
  t.same(limiter.load, { running: 0, waiting: 0 })
})

t.test('refuses a task that waits too long, and no other', async (t) => {
  const limiter = new Limiter({ inFlight: 1, waiting: 10, waitMs: 5 })
  const first = Promise.withResolvers<string>()
  const running = limiter.run(() => first.promise)
  await t.rejects(
    limiter.run(async () => t.fail('was run')),
    { code: 'OVERLOADED' }
  )
  t.same(limiter.load, { running: 1, waiting: 0 })
  first.resolve('done')
  t.equal(await running, 'done')
  t.equal(await limiter.run(async () => 'next'), 'next')
})

t.test('a task that fails, or throws, frees its place', async (t) => {
  const limiter = new Limiter({ inFlight: 1, waiting: 10, waitMs: forever })
  await t.rejects(
    limiter.run(() => Promise.reject(new Error('failed'))),
    { message: 'failed' }
  )
  await t.rejects(
    limiter.run(() => {
      throw new Error('threw')
    }),
    { message: 'threw' }
  )
  t.same(limiter.load, { running: 0, waiting: 0 })
})

t.test('a request that leaves while it waits frees its turn, and no other', async (t) => {
  const limiter = new Limiter({ inFlight: 1, waiting: 10, waitMs: forever })
  const first = Promise.withResolvers<string>()
  const running = limiter.run(() => first.promise)
  const gone = { socket: { destroyed: false }, endsAt: Number.POSITIVE_INFINITY }
  const late = { socket: { destroyed: false }, endsAt: performance.now() + 100 }
  const refused = [gone, late].map((caller) => runInScope(caller, () => limiter.run(async () => t.fail('was run'))))
  const others = [
    runInScope({ ...gone, socket: { destroyed: false } }, () => limiter.run(async () => 'patient')),
    runInScope(late, () => runDetached(() => limiter.run(async () => 'shared')))
  ]
  t.equal(limiter.load.waiting, 4)
  gone.socket.destroyed = true
  for (const one of refused) await t.rejects(one, { code: 'DEADLINE_EXCEEDED', statusCode: 503 })
  t.equal(limiter.load.waiting, 2)
  await t.rejects(
    runInScope(late, () => limiter.run(async () => t.fail('was run'))),
    { code: 'DEADLINE_EXCEEDED' }
  )
  first.resolve('done')
  t.same(await Promise.all([running, ...others]), ['done', 'patient', 'shared'])
  t.same(limiter.load, { running: 0, waiting: 0 })
})

/** A limiter of ten places, and a route with statements that keep their places until they are ended. */
function startShared(waiting: number) {
  const limiter = new Limiter({ inFlight: 10, waiting, waitMs: forever })
  const order: string[] = []
  const ends: (() => void)[] = []
  const of = (route: object, socket = { destroyed: false }) => {
    return { socket, endsAt: Number.POSITIVE_INFINITY, route }
  }
  const hold = (caller: ReturnType<typeof of>, name = 'slow') =>
    runInScope(caller, () =>
      limiter.run(() => {
        order.push(name)
        return new Promise<void>((resolve) => ends.push(resolve))
      })
    )
  return { limiter, order, ends, of, hold }
}

t.test('the slow statements of one route leave places for other routes', async (t) => {
  const { limiter, order, ends, of, hold } = startShared(20)
  const [slow, quick] = [{}, {}]
  const runs = Array.from({ length: 8 }, () => hold(of(slow)))
  t.same(limiter.load, { running: 6, waiting: 2 })
  await turn()
  t.equal(limiter.waitedMs(quick), 0)
  t.ok(limiter.waitedMs(slow) > 0)
  for (const name of ['a', 'b']) await runInScope(of(quick), () => limiter.run(async () => void order.push(name)))
  t.same(order, [...Array(6).fill('slow'), 'a', 'b'])
  while (ends.length > 0) {
    ends.shift()?.()
    await turn()
  }
  await Promise.all(runs)
  t.same(limiter.load, { running: 0, waiting: 0 })
})

t.test('the predicted wait of a statement follows from the rate of completion while others wait', async (t) => {
  const { limiter, ends, of, hold } = startShared(20)
  const [slow, quick] = [{}, {}]
  const runs = Array.from({ length: 8 }, () => hold(of(slow)))
  limiter.sample(10)
  t.equal(limiter.predictedMs(slow), 0, 'nothing is known yet')
  for (const end of ends.splice(0, 2)) end()
  await turn()
  runs.push(hold(of(slow)), hold(of(slow)))
  limiter.sample(10)
  t.equal(limiter.predictedMs(slow), 10, '2 end in 10 ms, and 2 wait')
  t.equal(limiter.predictedMs(quick), 0, 'nothing waits there')
  while (ends.length > 0) {
    ends.shift()?.()
    await turn()
  }
  await Promise.all(runs)
})

t.test('in a full limiter other routes overtake a route that has its share, and it continues after them', async (t) => {
  const { limiter, order, ends, of, hold } = startShared(20)
  const [slow, other] = [{}, {}]
  const runs = [
    ...Array.from({ length: 5 }, () => hold(of(slow))),
    ...Array.from({ length: 5 }, () => hold(of(other), 'other')),
    // The limiter is full, and the share is not: both wait in order, and the second has no turn before one ends.
    hold(of(slow), 'sixth'),
    hold(of(slow), 'seventh'),
    hold(of(other), 'last')
  ]
  await turn()
  t.same(limiter.load, { running: 10, waiting: 3 })
  ends[5]?.()
  ends[6]?.()
  await turn()
  await turn()
  t.same(order.slice(10), ['sixth', 'last'])
  const early = hold(of({}), 'early')
  const earlier = hold(of({}), 'earlier')
  hold(of(slow), 'eighth')
  ends[0]?.()
  await turn()
  t.same(order.slice(12), ['seventh'])
  ends[1]?.()
  await turn()
  t.same(order.slice(13), ['early'])
  while (ends.length > 0) {
    ends.shift()?.()
    await turn()
  }
  await Promise.all([...runs, early, earlier])
  t.same(limiter.load, { running: 0, waiting: 0 })
})

t.test('a route that has its share does not fill the queue, and a request that leaves it makes room', async (t) => {
  const { limiter, ends, of, hold } = startShared(10)
  const slow = {}
  const gone = { destroyed: false }
  const runs = Array.from({ length: 11 }, () => hold(of(slow)))
  const leaving = hold(of(slow, gone))
  t.same(limiter.load, { running: 6, waiting: 6 })
  await t.rejects(hold(of(slow)), { code: 'OVERLOADED' })
  gone.destroyed = true
  await t.rejects(leaving, { code: 'DEADLINE_EXCEEDED' })
  t.same(limiter.load, { running: 6, waiting: 5 })
  while (ends.length > 0) {
    ends.shift()?.()
    await turn()
  }
  await Promise.all(runs)
  t.same(limiter.load, { running: 0, waiting: 0 })
})

t.test('statements of a route that are held behind a request that leaves still get their turn', async (t) => {
  const { limiter, order, ends, of, hold } = startShared(20)
  const [slow, gone] = [{}, { destroyed: false }]
  const runs = [
    ...Array.from({ length: 6 }, () => hold(of(slow))),
    ...Array.from({ length: 4 }, () => hold(of({}))),
    runUncancellable(() => limiter.run(() => new Promise<void>((resolve) => ends.push(resolve))))
  ]
  const leaving = hold(of(slow, gone), 'gone')
  runs.push(hold(of(slow), 'held'))
  await turn()
  t.same(limiter.load, { running: 10, waiting: 3 })
  ends[0]?.()
  await turn()
  t.same(limiter.load, { running: 10, waiting: 2 })
  gone.destroyed = true
  await t.rejects(leaving, { code: 'DEADLINE_EXCEEDED' })
  while (ends.length > 0) {
    ends.shift()?.()
    await turn()
  }
  await Promise.all(runs)
  t.same(order.slice(10), ['held'])
  t.same(limiter.load, { running: 0, waiting: 0 })
})

t.test('several requests count for their route when it is the same', async (t) => {
  const { of } = startShared(1)
  const [one, other] = [{}, {}]
  t.equal(together([of(one), of(one)])?.route, one)
  t.equal(together([of(one), of(other)])?.route, undefined)
})
