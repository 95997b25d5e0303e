import t from 'tap'
import { AnswerCache } from '#src/tools/client/runtime/cache.ts'
import { call } from '#src/tools/client/runtime/call.ts'
import { createClient } from '#src/tools/client/runtime/client.ts'
import { segment } from '#src/tools/client/runtime/query.ts'
import { startService } from '#test/support/service.ts'

t.test('an answer with a tag is asked for with it, and given again on 304', async (t) => {
  let etag = '"1"'
  const { origin, seen } = await startService(t, (response, { headers }) => {
    if (headers['if-none-match'] === etag) return response.writeHead(304, { etag }).end()
    return response.writeHead(200, { etag, 'content-type': 'application/json' }).end(`{"tag":${etag},"tags":[]}`)
  })
  const client = createClient({ baseUrl: origin })
  const read = () => call<{ tag: string; tags: string[] }>(client, { method: 'GET', path: '/a', isTagged: true })
  const first = await read()
  first.tags.push('mine')
  t.match(await read().answer(), { data: { tag: '1', tags: [] }, status: 200, etag: '"1"' })
  etag = '"2"'
  t.equal((await read()).tag, '2')
  t.same(
    seen.map(({ headers }) => headers['if-none-match']),
    [undefined, '"1"', '"1"']
  )
  const own = { method: 'GET', path: '/a', isTagged: true, options: { headers: { 'if-none-match': '"2"' } } }
  t.match(await call(client, own).answer(), { status: 304, data: undefined }, 'a tag of the caller is its own business')
})

t.test('an answer without a tag is not kept', async (t) => {
  const { origin, seen } = await startService(t, (response) => void response.end('a'))
  const client = createClient({ baseUrl: origin })
  await call(client, { method: 'GET', path: '/', isTagged: true })
  t.equal(await call(client, { method: 'GET', path: '/', isTagged: true }), 'a')
  t.equal(seen[1]?.headers['if-none-match'], undefined)
})

t.test('what is kept is bounded in number and size; what was used last stays', async (t) => {
  const answer = (text: string) => ({ etag: '"1"', text, status: 200, headers: new Headers() })
  const cache = new AnswerCache(2, 12)
  cache.keep('a', answer('a'))
  cache.keep('b', answer('b'))
  cache.find('a')
  cache.keep('c', answer('c'))
  t.same([cache.find('a')?.text, cache.find('b'), cache.find('c')?.text], ['a', undefined, 'c'])
  cache.keep('c', answer('four'))
  t.equal(cache.find('c'), undefined, 'one that is more than a quarter is not kept')
  const small = new AnswerCache(100, 8)
  for (let number = 0; number < 100; number += 1) small.keep(`${number}`, answer('ab'))
  t.same(
    ['95', '96', '97', '98', '99'].map((url) => small.find(url)?.text),
    [undefined, 'ab', 'ab', 'ab', 'ab']
  )
  const none = new AnswerCache(0, 100)
  none.keep('a', answer('a'))
  t.equal(none.find('a'), undefined)
})

t.test('a segment never names another path', async (t) => {
  t.equal(segment('a/b?c'), 'a%2Fb%3Fc')
  t.equal(segment(7), '7')
  for (const value of ['', '.', '..']) t.throws(() => segment(value), TypeError)
})
