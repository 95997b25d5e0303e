import t from 'tap'
import { dueMs } from '#src/tools/load/arrivals.ts'
import { expectationsIn, judge } from '#src/tools/load/expect.ts'
import { allTimes, merged, noMeasures, record, recordServer } from '#src/tools/load/measures.ts'
import { drawBars, drawChart, niceTicks } from '#src/tools/load/page/chart.ts'
import { loadPage } from '#src/tools/load/page/page.ts'
import { count, delta, duration, ms, paceText, percent } from '#src/tools/load/page/text.ts'
import { type LoadReport, latencyOf, summarize } from '#src/tools/load/report.ts'
import { UniqueTexts } from '#src/tools/load/user.ts'
import { shares } from '#src/tools/load/workers.ts'

const pace = { rate: undefined, rampMs: 0, connections: 10, durationMs: 2000 }
const about = {
  title: 'A <b> & "c"',
  server: 'http://a.test',
  startedAt: '2026-01-02T03:04:05.000Z',
  pace,
  seconds: 2,
  cpuPercent: null,
  leftOut: [],
  leftBehind: []
}

t.test('requests of an open model are due evenly, and faster and faster while it grows', (t) => {
  t.same(
    [0, 1, 10].map((n) => dueMs(n, 0.5, 0)),
    [0, 2, 20]
  )
  t.equal(dueMs(25, 0.1, 1000), Math.sqrt(2 * 1000 * 250))
  t.equal(dueMs(50, 0.1, 1000), 1000, 'the ramp has half of what its time would have at the full rate')
  t.equal(dueMs(60, 0.1, 1000), 1100)
  t.end()
})

t.test('measures of several workers are summed up', (t) => {
  const [one, two] = [noMeasures(), noMeasures()]
  record(one, 'a', 10, 0, undefined)
  record(one, 'a', 0, 0, '409 TAKEN')
  record(two, 'a', 20, 2, '409 TAKEN')
  record(two, 'b', 30, 2, 'ECONNRESET')
  two.unsent = 3
  recordServer(one, 'db;dur=2, cache;desc="hit", total;dur=5.5')
  recordServer(two, 'db;dur=4')
  const whole = merged([one, two])
  t.same(
    [whole.seconds.map(({ times, errors }) => [times.count, errors]), whole.unsent],
    [
      [
        [2, 1],
        [0, 0],
        [2, 2]
      ],
      3
    ]
  )
  t.equal(allTimes(whole).count, 4)
  const report = summarize(whole, about)
  t.match(report, {
    requests: 4,
    rate: 2,
    errors: 3,
    latency: { min: 0.001, max: 30.015 },
    operations: [
      { operation: 'a', requests: 3, errors: 2 },
      { operation: 'b', errors: 1 }
    ],
    errorsByCode: [{ operation: 'a', error: '409 TAKEN', count: 2 }, { error: 'ECONNRESET' }],
    serverParts: [
      { name: 'db', ms: 3 },
      { name: 'total', ms: 2.75 }
    ],
    overTime: [
      { second: 0, requests: 2, errors: 1 },
      { second: 1, requests: 0, p99: 0 }
    ]
  })
  t.equal(summarize(noMeasures(), about).curve.length, 0)
  t.equal(latencyOf(allTimes(noMeasures())).max, 0)
  t.end()
})

t.test('thresholds are read, and judged', (t) => {
  const report = {
    rate: 100,
    requests: 1000,
    errors: 1,
    latency: { p50: 5, p99: 50, p999: 60 },
    operations: [{ operation: 'a', requests: 0, errors: 0, latency: { p50: 7 } }]
  }
  const verdict = (text: string) => judge(report as never, expectationsIn(text)).map(({ isMet }) => isMet)
  t.same(verdict('p99<50ms, p99<=50ms,p50<0.1s,p50>4000us,errors<0.1%,errors<=0.1%,rate>=100,rate>100/s'), [
    false,
    true,
    true,
    true,
    false,
    true,
    true,
    false
  ])
  t.same(verdict('p99.9<61ms,a.p50<8ms,a.errors<1%'), [true, true, true])
  for (const wrong of ['', 'p98<1ms', 'p99<50', 'p99=50ms', 'errors<1', 'rate>5%', 'a.rate>5', 'p99<fastms'])
    t.throws(() => expectationsIn(wrong), { name: 'MisuseError', message: /--expect knows no/ }, wrong)
  t.throws(() => verdict('b.p50<1ms'), { name: 'MisuseError', message: /names b, which was not sent/ })
  t.end()
})

t.test('connections and rate are shared between workers, and no two make the same text', (t) => {
  const plan = { server: '', chains: [], rows: {}, timeoutMs: 1 }
  const shared = shares({ ...plan, pace: { ...pace, rate: 100, connections: 5 } }, 2)
  t.same(
    shared.map(({ pace: { rate, connections } }) => [rate, connections]),
    [
      [50, 2],
      [50, 3]
    ]
  )
  t.equal(shares({ ...plan, pace }, 1)[0]?.pace.rate, undefined)
  const texts = shared.flatMap(({ mark }) => {
    const unique = new UniqueTexts(mark)
    return [unique.take(), unique.take()]
  })
  t.equal(new Set(texts).size, 4)
  t.ok(texts.every((text) => /^[0-9a-z]{10}$/.test(text)))
  t.end()
})

t.test('values are said as a person says them', (t) => {
  t.same([0, 0.25, 12.345, 123.4, 45_678].map(ms), ['0', '250 µs', '12.3 ms', '123 ms', '45.7 s'])
  t.same([1234.5, 2.5, 3].map(count), ['1,235', '2.5', '3'])
  t.same([percent(0, 0), percent(1, 3), percent(1, 1e6), percent(0, 5)], ['0 %', '33.3 %', '< 0.01 %', '0 %'])
  t.same([duration(12.34), duration(120)], ['12.3 s', '2 min'])
  t.equal(paceText({ ...pace, rate: 50 }), '50 requests/s, at most 10 at once')
  t.equal(paceText({ ...pace, rate: 50, rampMs: 5000 }), '50 requests/s, after 5 s of growing, at most 10 at once')
  t.equal(paceText(pace), '10 connections')
  t.match(
    [delta(2, 1), delta(1, 2), delta(2, 1, true), delta(1, 2, true), delta(1, 1), delta(1, undefined), delta(1, 0)],
    [/worse">\+100 %/, /better">−50 %/, /better/, /worse/, /same">±0 %/, '', '']
  )
  t.end()
})

t.test('axes have round numbers', (t) => {
  t.same(niceTicks(100), [0, 25, 50, 75, 100])
  t.same(niceTicks(0.37), [0, 0.1, 0.2, 0.3, 0.4])
  t.same(niceTicks(0).length > 1, true)
  t.same(niceTicks(38), [0, 10, 20, 30, 40])
  const labels = { xLabel: String, yLabel: String }
  t.match(drawChart({ title: 'a<b', series: [], ...labels }), /a&lt;b.*nothing to show/)
  t.match(drawChart({ title: 'a', series: [{ name: 'n', look: 'a', points: [[5, 5]] }], ...labels }), /<circle/)
  t.match(drawBars('a', [{ name: 'n'.repeat(40), inner: 1, outer: 2 }], ['x', 'y'], String), /n{25}…/)
  t.end()
})

t.test('the page has everything in it, escaped, and nothing from elsewhere', (t) => {
  const measures = noMeasures()
  for (let at = 0; at < 200; at += 1)
    record(measures, 'readThing', at / 10, at % 2, at % 50 === 0 ? '500 <script>' : undefined)
  recordServer(measures, 'db;dur=1.5')
  const report: LoadReport = {
    ...summarize(measures, about),
    cpuPercent: 80,
    unsent: 4,
    leftOut: [{ name: '/orders', reason: 'x' }],
    leftBehind: ['/orders/1']
  }
  const page = loadPage(
    report,
    [
      { text: 'p99<5ms', isMet: false, actual: 19.8 },
      { text: 'p50<50ms', isMet: true, actual: 10 }
    ],
    { ...report, cpuPercent: null, operations: [] }
  )
  for (const part of [
    'Load on A &lt;b&gt; &amp; &quot;c&quot;',
    'readThing',
    '500 &lt;script&gt;',
    'earlier run',
    '80 %',
    'due and never sent',
    '/orders/1',
    'p99&lt;5ms',
    'database, mean',
    'errors/s'
  ])
    t.ok(page.includes(part), part)
  t.notMatch(page, /<script|https?:\/\/(?!a\.test)|src=|@import|url\(/)
  const plain = loadPage({ ...summarize(noMeasures(), about), seconds: 1 }, [])
  t.notMatch(plain, /earlier run|verdicts">|CPU|could not be deleted/)
  t.match(plain, /nothing to show/)
  t.end()
})
