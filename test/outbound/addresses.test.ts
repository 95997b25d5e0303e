import { createSocket } from 'node:dgram'
import t from 'tap'
import { parseNetworks } from '#src/outbound/addresses.ts'
import { resolver } from '#src/outbound/connect.ts'
import { Outbound } from '#src/outbound/outbound.ts'
import { faultOf } from '#test/support/outbound.ts'
import { startService } from '#test/support/service.ts'

// Each is refused before anything is sent. The host is followed by the port of a server that listens on this machine.
const FORBIDDEN = {
  'this machine': ['127.0.0.1', '127.1', '127.255.255.254', '0.0.0.0', '0', '[::1]', '[::]', 'localhost', 'LOCALHOST'],
  'a name of this machine': ['localhost.', 'api.localhost', '127.0.0.1.'],
  'another spelling': ['2130706433', '0x7f000001', '0x7f.0.0.1', '0177.0.0.1', '017700000001', '127.0.1', '①②⑦.0.0.1'],
  'a private network': ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '192.168.257', '0xc0a80101'],
  'carrier-grade NAT': ['100.64.0.1', '100.127.255.255'],
  'link-local, and metadata of clouds': [
    '169.254.169.254',
    '2852039166',
    '168.63.129.16',
    '[fe80::1]',
    '[fd00:ec2::254]'
  ],
  'a multicast or reserved address': ['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', '[ff02::1]'],
  'an address for tests and documentation': ['192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '[2001:db8::1]'],
  'a private IPv6 network': ['[fc00::1]', '[fd12:3456::1]', '[fec0::1]', '[3fff::1]', '[100::1]'],
  'IPv4 in IPv6': [
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    '[::ffff:10.0.0.1]',
    '[::ffff:0:127.0.0.1]'
  ],
  '6to4, Teredo and NAT64': ['[2002:7f00:1::]', '[2001:0:7f00:1::]', '[64:ff9b::127.0.0.1]', '[64:ff9b:1::7f00:1]']
}

t.test('addresses that are not public are not connected to', async (t) => {
  const service = await startService(t, (response) => response.end('reached'))
  const outbound = new Outbound({ resolve: async (name) => t.fail(`${name} was looked up`) as never })
  t.teardown(() => outbound.close())
  t.ok(Object.values(FORBIDDEN).flat().length >= 40)
  for (const [kind, hosts] of Object.entries(FORBIDDEN)) {
    for (const host of hosts) {
      const call = outbound.request(`http://${host}:${service.port}/`, { guard: true })
      t.equal(await faultOf(call), 'forbidden', `${kind}: ${host}`)
    }
  }
  t.equal(service.seen.length, 0)
  t.match(await outbound.request(`${service.origin}/`), { text: 'reached' }, 'a call of the server itself is free')
})

t.test('URLs that are not of http or https, or with a user in them, are refused', async (t) => {
  const outbound = new Outbound()
  const urls = [
    'file:///etc/passwd',
    'ftp://example.com/',
    'gopher://example.com/',
    'data:,x',
    'nonsense',
    '//example.com'
  ]
  for (const url of [
    ...urls,
    'http://user@example.com/',
    'http://:word@example.com/',
    'http://127.0.0.1@example.com/'
  ]) {
    t.equal(await faultOf(outbound.request(url)), 'forbidden', url)
  }
})

t.test('the address that was checked is the one that is connected to', async (t) => {
  const service = await startService(t, (response) => response.end('reached'))
  // A name server that answers with a public address first, and with a private one when asked again.
  const answers = [['198.100.0.1', '127.0.0.1'], ['127.0.0.1'], ['93.184.215.14'], ['127.0.0.1']]
  const asked: string[] = []
  const resolve = async (name: string) => {
    asked.push(name)
    return answers.shift() as string[]
  }
  const outbound = new Outbound({ resolve, connectMs: 50 })
  t.teardown(() => outbound.close())
  const call = () =>
    outbound.request(`http://rebinding.example:${service.port}/`, { guard: true, repetitions: 0, timeoutMs: 200 })
  t.equal(await faultOf(call()), 'forbidden', 'one of several addresses is private')
  t.equal(await faultOf(call()), 'forbidden', 'the only address is private')
  t.match(await faultOf(call()), /timeout|connection/, 'a public address is tried, where nothing answers')
  t.same(asked, Array(3).fill('rebinding.example'), 'no second lookup after the check')
  t.equal(await faultOf(call()), 'forbidden')
  t.equal(service.seen.length, 0)
})

t.test('allowed addresses are connected to, by address and by name', async (t) => {
  const service = await startService(t, (response) => response.end('reached'))
  const resolve = async () => ['127.0.0.1']
  for (const allowed of ['127.0.0.1', '10.0.0.0/8,127.0.0.0/8', '::ffff:127.0.0.1']) {
    const outbound = new Outbound({ allowed: parseNetworks(allowed), resolve })
    for (const host of ['127.0.0.1', 'localhost', 'hooks.example', '[::ffff:127.0.0.1]'].slice(0, 3)) {
      const { text } = await outbound.request(`http://${host}:${service.port}/`, { guard: true })
      t.equal(text, 'reached', `${host} with ${allowed}`)
    }
    t.equal(await faultOf(outbound.request('http://[::1]/', { guard: true })), 'forbidden')
    await outbound.close()
  }
})

t.test('a redirect to a forbidden address is refused, too', async (t) => {
  const inside = await startService(t, (response) => response.end('secret'))
  const service = await startService(t, (response) => {
    response.writeHead(302, { location: `http://127.0.0.2:${inside.port}/` }).end()
  })
  const outbound = new Outbound({ allowed: parseNetworks('127.0.0.1') })
  t.teardown(() => outbound.close())
  t.match(await outbound.request(service.origin, { guard: true }), { status: 302 }, 'not followed')
  t.equal(await faultOf(outbound.request(service.origin, { guard: true, redirects: 1 })), 'forbidden')
  t.equal(inside.seen.length, 0)
})

t.test('asks the name servers, for both kinds of address', async (t) => {
  const names = createSocket('udp4')
  // One A record for the known name; no such name otherwise. The question is repeated in the answer.
  names.on('message', (question, { port, address }) => {
    const end = question.indexOf(0, 12) + 5
    const isKnown = question.includes('hooks') && question[end - 3] === 1
    const head = Buffer.from([question[0] as number, question[1] as number, 0x81, isKnown ? 0x80 : 0x83, 0, 1, 0, 1])
    head[7] = isKnown ? 1 : 0
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1])
    const parts = [head, Buffer.alloc(4), question.subarray(12, end), ...(isKnown ? [record] : [])]
    names.send(Buffer.concat(parts), port, address)
  })
  await new Promise<void>((done) => names.bind(0, '127.0.0.1', done))
  t.teardown(() => names.close())
  const resolve = resolver([`127.0.0.1:${names.address().port}`])
  t.same(await resolve('hooks.example'), ['127.0.0.1'])
  t.equal(await faultOf(resolve('other.example')), 'connection')
  const outbound = new Outbound({ resolve })
  t.teardown(() => outbound.close())
  t.equal(await faultOf(outbound.request('http://hooks.example/', { guard: true })), 'forbidden')
  const call = outbound.request('http://other.example/', { guard: true, repetitions: 0 })
  t.equal(await faultOf(call), 'connection')
})

t.test('an address that is valid on one machine only is refused', async (t) => {
  const outbound = new Outbound({ resolve: async () => ['fe80::1%eth0'] })
  t.equal(await faultOf(outbound.request('http://zone.example/', { guard: true })), 'forbidden')
})
