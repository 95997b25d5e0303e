import t from 'tap'
import { startApp } from '#test/support/app.ts'

t.test('while it stops the server is not ready, serves requests, and ends each connection', async (t) => {
  const lines: string[] = []
  const log = { write: (line: string) => lines.push(line) > 0 }
  const { app, send } = await startApp(t, { LOG_LEVEL: 'error' }, { log })
  t.match(await send('GET', '/readyz'), { status: 200, body: { status: 'ok' } })
  app.stopping.isStopping = true
  t.match(await send('GET', '/readyz'), { status: 503, headers: { connection: 'close', 'retry-after': '1' } })
  t.match(await send('GET', '/livez'), { status: 200, headers: { connection: 'close' } })
  t.same(lines, [], 'which is no failure')
})
