import t from 'tap'
import { runInScope } from '#src/concurrency/request-scope.ts'
import { nextSpanId, outboundTraceHeaders, parseTraceparent } from '#src/concurrency/trace-context.ts'

const [traceId, parentId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']

t.test('a traceparent is read as the standard says', async (t) => {
  t.same(parseTraceparent(`00-${traceId}-${parentId}-01`), { traceId, parentId, flags: '01' })
  t.same(parseTraceparent(`00-${traceId}-${parentId}-00`)?.flags, '00')
  t.ok(parseTraceparent(`01-${traceId}-${parentId}-01`), 'a later version')
  t.ok(parseTraceparent(`cc-${traceId}-${parentId}-01-what-the-future-will-be-like`), 'with more at its end')
  for (const wrong of [
    undefined,
    '',
    `ff-${traceId}-${parentId}-01`,
    `00-${traceId}-${parentId}-01-more`,
    `cc-${traceId}-${parentId}-01more`,
    `00-${'0'.repeat(32)}-${parentId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${parentId}-01`,
    `00-${traceId.slice(1)}-${parentId}-01`,
    `00-${traceId}-${parentId}-1`,
    `00-${traceId}-${parentId}`,
    `00-${traceId}-${parentId}-01, 00-${traceId}-${parentId}-01`,
    ` 00-${traceId}-${parentId}-01`,
    [`00-${traceId}-${parentId}-01`]
  ]) {
    t.equal(parseTraceparent(wrong), undefined, String(wrong))
  }
})

t.test('a call to another service continues the trace, under a span of its own', async (t) => {
  const scope = (headers: Record<string, string>) => ({ socket: { destroyed: false }, endsAt: 0, headers })
  const sent = (headers: Record<string, string>) => runInScope(scope(headers), outboundTraceHeaders)
  const traceparent = `00-${traceId}-${parentId}-01`
  t.match(sent({ traceparent }), { traceparent: new RegExp(`^00-${traceId}-(?!${parentId})[0-9a-f]{16}-01$`) })
  t.equal(sent({ traceparent, tracestate: 'vendor=1' }).tracestate, 'vendor=1')
  for (const tracestate of ['x'.repeat(513), 'a\r\nb']) t.notOk('tracestate' in sent({ traceparent, tracestate }))
  t.same(sent({ tracestate: 'vendor=1' }), {}, 'no state without a trace')
  t.same(outboundTraceHeaders(), {}, 'outside of a request')
  t.not(nextSpanId(), nextSpanId())
})
