import t from 'tap'
import { endOf } from '#src/http/request-deadline.ts'

/** The seconds that are left for a request that has run for two. */
function secondsLeft(header?: string, timeoutSeconds?: number): number {
  return Math.round((endOf(header, timeoutSeconds, { elapsedTime: 2000 }) - performance.now()) / 1000)
}

t.test("the time of a request starts at its arrival, and ends with its client's limit or its route's", async (t) => {
  t.equal(secondsLeft('10'), 8)
  t.equal(secondsLeft(undefined, 20), 18)
  t.equal(secondsLeft('10', 20), 8)
  t.equal(secondsLeft('20', 10), 8)
  t.equal(secondsLeft('1'), -1, 'it may be over already')
  t.equal(secondsLeft(), Number.POSITIVE_INFINITY)
})

t.test('a value that is no number of seconds is refused, whatever the route allows', async (t) => {
  for (const timeoutSeconds of [undefined, 1]) {
    t.throws(() => endOf('soon', timeoutSeconds, { elapsedTime: 0 }), { code: 'VALIDATION_FAILED' })
  }
})
