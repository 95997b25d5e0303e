import t from 'tap'
import { takeTurns } from '#src/concurrency/turns.ts'

t.test('long work lets others run once it has held the event loop for 8 ms, and not before', async (t) => {
  const pause = takeTurns()
  t.equal(pause(), undefined)
  const startedAt = performance.now()
  while (performance.now() - startedAt < 9);
  let hadTurn = false
  setImmediate(() => {
    hadTurn = true
  })
  await pause()
  t.ok(hadTurn)
  t.equal(pause(), undefined)
})
