import t from 'tap'
import { readForAnswer, runFor, runForAll } from '#src/db/caller.ts'
import { Gate } from '#src/db/gate.ts'

const forever = 60_000
const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('runs as many at once as it may, and the rest in the order they came', async (t) => {
  const gate = new Gate({ inFlight: 2, waiting: 10, waitMs: forever })
  const started: number[] = []
  const ends = Array.from({ length: 5 }, () => Promise.withResolvers<void>())
  const runs = ends.map(({ promise }, index) =>
    gate.run(() => {
      started.push(index)
      return promise.then(() => index)
    })
  )
  await turn()
  t.same(started, [0, 1])
  t.same(gate.load, { running: 2, waiting: 3 })
  ends[1]?.resolve()
  await turn()
  t.same(started, [0, 1, 2])
  for (const { resolve } of ends) resolve()
  t.same(await Promise.all(runs), [0, 1, 2, 3, 4])
  t.same(started, [0, 1, 2, 3, 4])
  t.same(gate.load, { running: 0, waiting: 0 })
})

t.test('a place is handed over: a newcomer does not overtake those who wait', async (t) => {
  const gate = new Gate({ inFlight: 1, waiting: 10, waitMs: forever })
  const order: string[] = []
  const first = Promise.withResolvers<void>()
  const runs = [gate.run(() => first.promise), gate.run(async () => void order.push('waited'))]
  first.resolve()
  runs.push(first.promise.then(() => gate.run(async () => void order.push('newcomer'))))
  await Promise.all(runs)
  t.same(order, ['waited', 'newcomer'])
})

t.test('refuses at once when too many wait', async (t) => {
  const gate = new Gate({ inFlight: 1, waiting: 1, waitMs: forever })
  const first = Promise.withResolvers<void>()
  const runs = [gate.run(() => first.promise), gate.run(() => first.promise)]
  await t.rejects(
    gate.run(async () => t.fail('was run')),
    { code: 'OVERLOADED', statusCode: 503, headers: { 'retry-after': '1' } }
  )
  first.resolve()
  await Promise.all(runs)
  t.same(gate.load, { running: 0, waiting: 0 })
})

t.test('what the answer to a change needs goes first and is never refused', async (t) => {
  const gate = new Gate({ inFlight: 1, waiting: 1, waitMs: forever })
  const first = Promise.withResolvers<void>()
  const order: string[] = []
  const runs = [gate.run(() => first.promise), gate.run(async () => void order.push('waited'))]
  runs.push(readForAnswer(() => gate.run(async () => void order.push('answered'))))
  t.same(gate.load, { running: 1, waiting: 2 })
  first.resolve()
  await Promise.all(runs)
  t.same(order, ['answered', 'waited'])
  t.same(gate.load, { running: 0, waiting: 0 })
})

t.test('refuses who waits too long, and only them', async (t) => {
  const gate = new Gate({ inFlight: 1, waiting: 10, waitMs: 5 })
  const first = Promise.withResolvers<string>()
  const running = gate.run(() => first.promise)
  await t.rejects(
    gate.run(async () => t.fail('was run')),
    { code: 'OVERLOADED' }
  )
  t.same(gate.load, { running: 1, waiting: 0 })
  first.resolve('done')
  t.equal(await running, 'done')
  t.equal(await gate.run(async () => 'next'), 'next')
})

t.test('a task that fails, or throws, gives its place back', async (t) => {
  const gate = new Gate({ inFlight: 1, waiting: 10, waitMs: forever })
  await t.rejects(
    gate.run(() => Promise.reject(new Error('failed'))),
    { message: 'failed' }
  )
  await t.rejects(
    gate.run(() => {
      throw new Error('threw')
    }),
    { message: 'threw' }
  )
  t.same(gate.load, { running: 0, waiting: 0 })
})

t.test('who leaves while they wait gives up their turn, and only that', async (t) => {
  const gate = new Gate({ inFlight: 1, waiting: 10, waitMs: forever })
  const first = Promise.withResolvers<string>()
  const running = gate.run(() => first.promise)
  const gone = { socket: { destroyed: false }, endsAt: Number.POSITIVE_INFINITY }
  const late = { socket: { destroyed: false }, endsAt: performance.now() + 100 }
  const refused = [gone, late].map((caller) => runFor(caller, () => gate.run(async () => t.fail('was run'))))
  const others = [
    runFor({ ...gone, socket: { destroyed: false } }, () => gate.run(async () => 'patient')),
    runFor(late, () => runForAll(() => gate.run(async () => 'shared')))
  ]
  t.equal(gate.load.waiting, 4)
  gone.socket.destroyed = true
  for (const one of refused) await t.rejects(one, { code: 'DEADLINE_EXCEEDED', statusCode: 503 })
  t.equal(gate.load.waiting, 2)
  await t.rejects(
    runFor(late, () => gate.run(async () => t.fail('was run'))),
    { code: 'DEADLINE_EXCEEDED' }
  )
  first.resolve('done')
  t.same(await Promise.all([running, ...others]), ['done', 'patient', 'shared'])
  t.same(gate.load, { running: 0, waiting: 0 })
})
