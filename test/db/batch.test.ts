import t from 'tap'
import { GatheredReads, GatheredWrites, SharedReads } from '#src/db/batch.ts'
import { type Caller, currentCaller, runFor } from '#src/db/caller.ts'

/** Someone who waits, and may go. */
function someone(endsAt = Number.POSITIVE_INFINITY) {
  return { socket: { destroyed: false }, endsAt }
}

const late = () => someone(performance.now() + 60_000)

t.test('what several wait for is given up when all of them have gone', async (t) => {
  const seen: (Caller | undefined)[] = []
  const shared = new SharedReads<string>()
  const read = async () => {
    seen.push(currentCaller())
    return 'read'
  }
  const rows = new GatheredReads<string>(
    async (keys) => {
      seen.push(currentCaller())
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
    await Promise.all(both.map((one, index) => runFor(one, () => get(`${index}`))))
    t.equal(seen.length, 1, name)
    const [together] = seen
    for (const { socket } of both) {
      t.equal(together?.socket.destroyed, false, name)
      socket.destroyed = true
    }
    t.equal(together?.socket.destroyed, true, name)

    seen.length = 0
    await Promise.all([runFor(someone(), () => get('0')), get('1')])
    t.same(seen, [undefined], `${name}, and one who cannot go`)
  }
})

t.test('who has a deadline shares no statement, which would have to end before that of others', async (t) => {
  const statements: string[][] = []
  const note = async (items: string[]) => {
    statements.push(items)
    return items
  }
  const shared = new SharedReads<string[]>()
  const rows = new GatheredReads<string>(async (keys) => new Map((await note(keys)).map((key) => [key, key])), {
    most: 16,
    inFlight: 1
  })
  const writes = new GatheredWrites<string, string>(note, () => false, { most: 16, inFlight: 1 })
  const answers = await Promise.all(
    [undefined, undefined, late()].map((caller) =>
      runFor(caller, () => Promise.all([shared.get('a', () => note(['page'])), rows.get('row'), writes.add('new')]))
    )
  )
  for (const answer of answers) t.same(answer, [['page'], 'row', 'new'])
  t.same(statements.map((items) => items.join()).sort(), ['new', 'new,new', 'page', 'page', 'row', 'row'])
})

t.test('a read that fails fails for all who wait for it, and the next one is made anew', async (t) => {
  let isAway = true
  const rows = new GatheredReads<string>(
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
