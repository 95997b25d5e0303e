import t from 'tap'
import { BatchedReads, BatchedWrites, CoalescedReads } from '#src/concurrency/batching.ts'
import { currentScope, type RequestScope, runInScope } from '#src/concurrency/request-scope.ts'

/** A waiting request that may leave. */
function someone(endsAt = Number.POSITIVE_INFINITY) {
  return { socket: { destroyed: false }, endsAt }
}

t.test('a batched read is given up when all of its requests have left', async (t) => {
  const seen: (RequestScope | undefined)[] = []
  const shared = new CoalescedReads<string>()
  const read = async () => {
    seen.push(currentScope())
    return 'read'
  }
  const rows = new BatchedReads<string>(
    async (keys) => {
      seen.push(currentScope())
      return new Map(keys.map((key) => [key, key]))
    },
    { most: 16, inFlight: 1 }
  )
  const reads: [name: string, get: (key: string) => Promise<unknown>][] = [
    ['the same page', () => shared.get('page', read)],
    ['the same row', () => rows.get('row')],
    ['rows of one statement', (key) => rows.get(key)]
  ]
  for (const [name, get] of reads) {
    seen.length = 0
    const both = [someone(), someone()] as const
    await Promise.all(both.map((one, index) => runInScope(one, () => get(`${index}`))))
    t.equal(seen.length, 1, name)
    const [together] = seen
    for (const { socket } of both) {
      t.equal(together?.socket.destroyed, false, name)
      socket.destroyed = true
    }
    t.equal(together?.socket.destroyed, true, name)

    seen.length = 0
    await Promise.all([runInScope(someone(), () => get('0')), get('1')])
    t.same(seen, [undefined], `${name}, and one who cannot go`)
  }
})

// Waiting requests keep no process alive.
const alive = setInterval(() => {}, 60_000)
t.teardown(() => clearInterval(alive))

const inMs = (ms: number) => performance.now() + ms

t.test('a batched statement lasts until the latest deadline of its requests; each waits until its own', async (t) => {
  const seen: (RequestScope | undefined)[] = []
  const read = Promise.withResolvers<void>()
  const note = async () => {
    seen.push(currentScope())
    await read.promise
  }
  const shared = new CoalescedReads<void>()
  const rows = new BatchedReads<void>(async () => new Map([['row', await note()]]), { most: 16, inFlight: 1 })
  const [soon, later] = [someone(inMs(20)), someone(inMs(60_000))]
  const all = (caller: RequestScope) => runInScope(caller, () => [shared.get('page', note), rows.get('row')])
  const [tooLate, inTime] = [all(soon), all(later)]
  for (const one of tooLate) await t.rejects(one, { code: 'DEADLINE_EXCEEDED', statusCode: 503 })
  t.same(
    seen.map((caller) => caller?.endsAt),
    [later.endsAt, later.endsAt]
  )
  read.resolve()
  t.same(await Promise.all(inTime), [undefined, undefined])
})

t.test('a write with a deadline is not batched', async (t) => {
  const statements: [items: string[], endsAt: number | undefined][] = []
  const writes = new BatchedWrites<string, string>(
    async (items) => {
      statements.push([items, currentScope()?.endsAt])
      return items
    },
    () => 'unknown',
    { most: 2, inFlight: 1 }
  )
  const [patient, hasty] = [someone(), someone(inMs(1000))]
  const asked: [caller: RequestScope | undefined, item: string][] = [
    [patient, 'a'],
    [hasty, 'hasty'],
    [undefined, 'b'],
    [patient, 'c']
  ]
  const written = await Promise.all(asked.map(([caller, item]) => runInScope(caller, () => writes.add(item))))
  t.same(written, ['a', 'hasty', 'b', 'c'])
  t.same(statements, [
    [['hasty'], hasty.endsAt],
    [['a', 'b'], undefined],
    [['c'], undefined]
  ])
})

t.test('an undone batch is retried one by one; an unknown outcome fails all', async (t) => {
  const statements: string[][] = []
  const writes = (blame: 'item' | 'statement' | 'unknown') =>
    new BatchedWrites<string, string>(
      async (items) => {
        statements.push(items)
        if (items.includes('bad')) throw new Error(blame)
        return items
      },
      (error) => (error as Error).message as typeof blame,
      { most: 4, inFlight: 1 }
    )
  const settle = async (blame: 'item' | 'statement' | 'unknown') => {
    const all = writes(blame)
    const settled = await Promise.allSettled(['a', 'b', 'bad', 'c'].map((item) => all.add(item)))
    return settled.map(({ status }) => status === 'fulfilled')
  }
  t.same(await settle('item'), [true, true, false, true])
  t.same(statements.splice(0), [['a', 'b', 'bad', 'c'], ['a', 'b'], ['bad', 'c'], ['bad'], ['c']])
  t.same(await settle('statement'), [true, true, false, true])
  t.same(statements.splice(0), [['a', 'b', 'bad', 'c'], ['a'], ['b'], ['bad'], ['c']])
  t.same(await settle('unknown'), [false, false, false, false])
})

t.test('a failed read fails for all requests that share it, and the next one is made anew', async (t) => {
  let isAway = true
  const rows = new BatchedReads<string>(
    async (keys) => {
      if (isAway) throw new Error('away')
      return new Map(keys.map((key) => [key, `the ${key}`]))
    },
    { most: 2, inFlight: 1 }
  )
  const failed = await Promise.allSettled(['a', 'b', 'a'].map((key) => rows.get(key)))
  t.ok(failed.every(({ status }) => status === 'rejected'))
  isAway = false
  t.same(await Promise.all(['a', 'b', 'c', 'a'].map((key) => rows.get(key))), ['the a', 'the b', 'the c', 'the a'])
})
