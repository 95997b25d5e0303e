import t from 'tap'
import { takeTurns } from '#src/concurrency/turns.ts'

// A busy machine may hold up the test itself for 8 ms at any moment: not twenty times in a row.
const TRIES = 20

t.test('long work lets others run once it has held the event loop for 8 ms, and not before', async (t) => {
  t.ok(Array.from({ length: TRIES }, () => takeTurns()()).includes(undefined))
  const pause = takeTurns()
  const startedAt = performance.now()
  while (performance.now() - startedAt < 9);
  let hadTurn = false
  setImmediate(() => {
    hadTurn = true
  })
  let waited = pause()
  await waited
  t.ok(hadTurn)
  for (let count = 0; count < TRIES && waited; count += 1) {
    waited = pause()
    await waited
  }
  t.equal(waited, undefined)
})
