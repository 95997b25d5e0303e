import t from 'tap'
import { LivenessProbe, type Probe } from '#src/db/postgres/liveness.ts'

const unavailable = { code: 'UNAVAILABLE', statusCode: 503, headers: { 'retry-after': '1' } }
const LOOK_MS = 2

// The watch alone keeps no process alive.
const alive = setInterval(() => {}, 60_000)
t.teardown(() => clearInterval(alive))

/** A watch, and each question that it asks, to be answered by the test. */
function startWatch(t: { teardown(end: () => void): void }) {
  const questions: (PromiseWithResolvers<unknown> & { isEnded: boolean; hasBegun: boolean })[] = []
  const asked: (() => void)[] = []
  let silences = 0
  function ask(): Probe {
    const question = { ...Promise.withResolvers<unknown>(), isEnded: false, hasBegun: false }
    questions.push(question)
    asked.shift()?.()
    const end = () => {
      question.isEnded = true
    }
    return { answer: question.promise, hasBegun: () => question.hasBegun, end }
  }
  const watch = new LivenessProbe(ask, () => (silences += 1), LOOK_MS)
  t.teardown(() => watch.close())
  const next = async () => {
    await new Promise<void>((resolve) => asked.push(resolve))
    return questions.at(-1) as (typeof questions)[number]
  }
  return { watch, next, questions, silences: () => silences }
}

t.test('a slow statement on a living database goes on, however often it is asked', async (t) => {
  const { watch, next, silences } = startWatch(t)
  const slow = Promise.withResolvers<string>()
  const answer = watch.during(slow.promise)
  for (const reply of [{}, { severity: 'FATAL', code: '53300' }, {}]) {
    const question = await next()
    if ('code' in reply) question.reject(reply)
    else question.resolve(reply)
    await question.promise.catch(() => {})
    t.ok(question.isEnded)
  }
  watch.check()
  slow.resolve('done')
  t.equal(await answer, 'done')
  t.equal(silences(), 0)
})

for (const [what, reply] of Object.entries({
  'says nothing': undefined,
  'starts up': { severity: 'FATAL', code: '57P03' },
  'is not there': { code: 'ECONNREFUSED' }
})) {
  t.test(`while the database ${what}, every statement is refused; not after it answered`, async (t) => {
    const { watch, next, silences } = startWatch(t)
    const waiting = [1, 2].map(() => watch.during(new Promise(() => {})))
    const question = await next()
    if (reply) question.reject(reply)
    for (const one of waiting) await t.rejects(Promise.resolve(one), unavailable)
    t.throws(() => watch.check(), unavailable)
    await t.rejects(Promise.resolve(watch.during(new Promise(() => {}))), unavailable)
    t.equal(silences(), 1)
    t.ok(question.isEnded)
    question.resolve('too late')
    const again = await next()
    t.throws(() => watch.check(), unavailable)
    again.resolve('here')
    await again.promise
    await new Promise((resolve) => setImmediate(resolve))
    watch.check()
    t.equal(silences(), 1)
  })
}

t.test('an answer in the meantime counts for more than a probe that fails', async (t) => {
  const { watch, next, silences } = startWatch(t)
  const slow = Promise.withResolvers<string>()
  const failing = Promise.withResolvers<string>()
  const answers = [slow, failing].map(({ promise }) => watch.during(promise))
  const waiting = watch.during(new Promise<string>(() => {}))
  const question = await next()
  slow.resolve('done')
  failing.reject(Object.assign(new Error('no such table'), { severity: 'ERROR', code: '42P01' }))
  t.equal(await answers[0], 'done')
  await t.rejects(Promise.resolve(answers[1]), { code: '42P01' })
  question.reject({ code: 'ECONNRESET' })
  const again = await next()
  t.equal(silences(), 0)
  again.reject({ code: 'ECONNRESET' })
  await t.rejects(Promise.resolve(waiting), unavailable)
})

/** Lets others be answered, look after look. */
function startAnswers(t: { teardown(end: () => void): void }, watch: LivenessProbe): void {
  const timer = setInterval(() => watch.during(Promise.resolve()).then(undefined, () => {}), LOOK_MS / 2)
  t.teardown(() => clearInterval(timer))
}

t.test(
  'an answer that trickles in does not count, even when others are answered: all are refused until one comes',
  async (t) => {
    const { watch, next, silences } = startWatch(t)
    startAnswers(t, watch)
    const slow = watch.during(new Promise(() => {}))
    const question = await next()
    question.hasBegun = true
    await t.rejects(Promise.resolve(slow), unavailable)
    t.throws(() => watch.check(), unavailable)
    t.ok(question.isEnded)
    const again = await next()
    again.hasBegun = true
    const last = await next()
    t.throws(() => watch.check(), unavailable)
    t.equal(silences(), 1)
    last.resolve('here')
    await last.promise
    await new Promise((resolve) => setImmediate(resolve))
    watch.check()
  }
)

t.test('while others are answered, neither a slow statement nor a probe without an answer is a failure', async (t) => {
  const { watch, next, silences } = startWatch(t)
  startAnswers(t, watch)
  const slow = Promise.withResolvers<string>()
  const answer = watch.during(slow.promise)
  const first = await next()
  const second = await next()
  t.ok(first.isEnded)
  second.reject({ code: 'ECONNREFUSED' })
  const third = await next()
  third.hasBegun = true
  third.resolve('whole')
  await next()
  watch.check()
  slow.resolve('done')
  t.equal(await answer, 'done')
  t.equal(silences(), 0)
})

t.test('a statement that fails with its connection is no answer of the database', async (t) => {
  const { watch } = startWatch(t)
  const cut = watch.during(Promise.reject({ code: 'ECONNRESET' }))
  await t.rejects(Promise.resolve(cut), { code: 'ECONNRESET' })
})

t.test('the probe asks nothing while no statement waits, nor after the end', async (t) => {
  const { watch, next, questions } = startWatch(t)
  const slow = Promise.withResolvers<string>()
  const answer = watch.during(slow.promise)
  const question = await next()
  slow.resolve('done')
  t.equal(await answer, 'done')
  while (!question.isEnded) await new Promise((resolve) => setImmediate(resolve))
  t.equal(questions.length, 1)
  watch.during(new Promise(() => {}))
  const last = await next()
  watch.close()
  t.ok(last.isEnded)
})
