import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Lines } from '#src/observe/lines.ts'
import { RequestLog } from '#src/observe/request-log.ts'

function collect() {
  const written: string[] = []
  return { written, lines: new Lines({ write: (text) => written.push(text) }) }
}

t.test('lines are handed over together: when there are many, or a moment later', async (t) => {
  const { written, lines } = collect()
  lines.add('one\n')
  lines.add('two\n')
  t.same(written, [])
  while (written.length === 0) await sleep(10)
  t.same(written, ['one\ntwo\n'])
  for (let count = 0; count < 64; count += 1) lines.add(`${'x'.repeat(1023)}\n`)
  t.equal(written[1]?.length, 62 * 1024, 'before the next would not find room')
  lines.flush()
  t.equal(written.join('').split('\n').length, 67, 'none is lost')
  lines.flush()
  t.equal(written.length, 3, 'nothing is not written')
})

t.test('lines keep their text and order, whatever their content and length', async (t) => {
  const { written, lines } = collect()
  const all = ['Gärtner 木工 🪵\n', `${'木'.repeat(30_000)}\n`, 'short\n', `${'é'.repeat(21_000)}\n`, 'last\n']
  for (const line of all) lines.add(line)
  lines.flush()
  t.equal(written.join(''), all.join(''))
})

t.test('the logger of a request is made at its first use, and adds the request id', async (t) => {
  const made: object[] = []
  const logged: unknown[] = []
  const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
  const child = {
    ...Object.fromEntries(levels.map((level) => [level, (text: string) => logged.push([level, text])])),
    child: (bindings: object) => bindings
  }
  const parent = {
    level: 'info',
    child(bindings: object) {
      made.push(bindings)
      return child
    }
  }
  const log = new RequestLog(parent as never, { requestId: 'req-1' })
  log.silent()
  t.equal(log.level, 'info')
  t.same(made, [])
  for (const level of levels) log[level](`a ${level}`)
  t.same(log.child({ more: true }), { more: true })
  t.same(
    logged,
    levels.map((level) => [level, `a ${level}`])
  )
  t.same(made, [{ requestId: 'req-1' }], 'once')
})
