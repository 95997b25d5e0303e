import t from 'tap'
import { CompletionRate } from '#src/concurrency/completion-rate.ts'

/** Ends tasks, and samples after some time. */
function step(rate: CompletionRate, ended: number, ms: number, isBusy: boolean) {
  for (let count = 0; count < ended; count += 1) rate.end()
  rate.sample(ms, isBusy)
}

t.test('the predicted wait is the time of the tasks ahead', async (t) => {
  const rate = new CompletionRate()
  t.equal(rate.waitMs(100), 0, 'nothing is known yet')
  step(rate, 50, 50, true)
  t.equal(rate.waitMs(100), 0, 'part of the interval may have been idle')
  step(rate, 50, 50, true)
  t.equal(rate.waitMs(100), 100)
  step(rate, 100, 50, true)
  t.ok(Math.abs(rate.waitMs(120) - 100) < 1e-9, 'a change counts by a fifth')
})

t.test('an idle interval does not count as slow', async (t) => {
  const rate = new CompletionRate()
  step(rate, 10, 10, true)
  step(rate, 10, 10, true)
  step(rate, 0, 1000, false)
  step(rate, 1, 1000, true)
  t.equal(rate.waitMs(10), 10)
})
