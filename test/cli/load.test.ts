import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { describeLoad, loadCommand } from '#src/cli/load.ts'
import type { LoadReport } from '#src/tools/load/report.ts'
import { KEYS, notesApp } from '#test/fixtures/notes/app.ts'
import { tryCommand } from '#test/support/command.ts'
import { tenon } from '#test/support/tenon.ts'

const folder = t.testdir({ text: '{}', broken: '{' })
const app = notesApp()
t.teardown(() => app.close())
const address = await app.listen({ port: 0, host: '127.0.0.1' })
const quick = ['--key', KEYS.one, '--duration', '1s', '--connections', '2']

const run = (...args: string[]) => tryCommand(loadCommand, args)

t.test('prints a table, keeps thresholds, writes a page and numbers to compare with', async (t) => {
  const [page, numbers] = [join(folder, 'load.html'), join(folder, 'load.json')]
  const first = await run(`${address}/`, ...quick, '--save', numbers, '--expect', 'errors<1%')
  t.ok(first.isSound)
  t.match(
    first.said,
    /requests\/s over \d\S* s, 2 connections; .*0 errors \(0 %\)\n\n[\s\S]*\nreadNote +[\d,]+ +0 [\s\S]*\nkept {2}errors<1%/
  )
  t.equal(first.progress.at(-1), '')
  t.ok(
    first.progress.some((line) => line.startsWith('making')) &&
      first.progress.some((line) => line.startsWith('deleting'))
  )
  t.ok(first.progress.some((line) => /requests\/s/.test(line)))
  const second = await run(address, ...quick, '--compare', numbers, '--report', page, '--expect', 'p99<1us', '--json')
  t.notOk(second.isSound)
  t.match(JSON.parse(second.said), { verdicts: [{ text: 'p99<1us', isMet: false }], errors: 0 })
  t.match(readFileSync(page, 'utf8'), /Load on Notes[\s\S]*compared with/)
})

t.test('a rate with a ramp, weights and chosen resources', async (t) => {
  const { said } = await run(
    `${address}/openapi.json`,
    ...quick,
    '--rate',
    '100',
    '--ramp',
    '50ms',
    '--only',
    'folders',
    '--weights',
    'read=1',
    '--header',
    'x-a: b',
    '--workers',
    '1',
    '--timeout',
    '1s'
  )
  t.match(said, /100 requests\/s, after 0.1 s of growing, at most 2 at once/)
  t.notMatch(said, /createNote/)
})

t.test('tells what went wrong', async (t) => {
  const latency = { mean: 1, min: 1, p50: 1, p90: 1, p99: 1, p999: 1, max: 1 }
  const report: LoadReport = {
    title: 'a',
    server: 'b',
    startedAt: '',
    pace: { rate: undefined, rampMs: 0, connections: 1, durationMs: 1000 },
    seconds: 1,
    requests: 2,
    rate: 2,
    errors: 1,
    unsent: 5,
    latency,
    curve: [],
    operations: [{ operation: 'op', requests: 2, errors: 1, latency }],
    overTime: [],
    errorsByCode: [{ operation: 'op', error: '409 TAKEN', count: 1 }],
    serverParts: [{ name: 'db', ms: 2 }],
    cpuPercent: 55.4,
    leftOut: [{ name: '/orders', reason: 'so' }],
    leftBehind: ['/a/1', '/a/2']
  }
  const text = describeLoad(report, [{ text: 'p99<1us', isMet: false, actual: 1 }])
  for (const part of [
    '5 requests were due',
    '1 × 409 TAKEN of op',
    'The server: CPU 55 % of a core, db 2 ms',
    'Left out: /orders: so',
    '2 rows could not be deleted, the first: /a/1',
    'MISSED  p99<1us  (1)'
  ])
    t.ok(text.includes(part), part)
})

t.test('refuses wrong arguments with one line', async (t) => {
  const wrong: [string[], RegExp][] = [
    [[], /missing required argument 'server'/],
    [[address, address], /too many arguments. Expected 1 argument but got 2/],
    [[address, '--none'], /unknown option '--none'/],
    [[address, '--duration', '5'], /--duration is a time like 500ms, 30s, 5m, 12h or 90d/],
    [[address, '--ramp', '5s'], /--ramp goes with --rate/],
    [[address, '--weights', 'a'], /--weights is like products=3,read=8, not 'a'/],
    [[address, '--expect', 'fast'], /--expect knows no 'fast'/],
    [[address, '--compare', join(folder, 'none')], /cannot be read: ENOENT/],
    [[address, '--compare', join(folder, 'text')], /text is no saved run/],
    [[address, '--compare', join(folder, 'broken')], /broken is no saved run/]
  ]
  for (const [args, message] of wrong) await t.rejects(run(...args), { name: 'MisuseError', message }, args.join(' '))
  t.match(await run('--help'), { isSound: true, said: /--expect 'p99<50ms/ })
  const { millisecondsIn } = await import('#src/cli/values.ts')
  t.same(
    ['1.5s', '2m', '20ms'].map((text) => millisecondsIn('a', text)),
    [1500, 120_000, 20]
  )
})

t.test('the command ends with 0, 1 for a missed threshold, and 2 for misuse', async (t) => {
  writeFileSync(join(folder, 'a.json'), '{"openapi":"3.1.0","paths":{}}')
  t.match(await tenon(['load', address, ...quick], { cwd: folder }), { code: 0 })
  t.match(await tenon(['load', address, ...quick, '--expect', 'p50<1us'], { cwd: folder }), { code: 1, said: /MISSED/ })
  t.match(await tenon(['load', 'a.json'], { cwd: folder }), { code: 2, said: /names no server/ })
})
