import t from 'tap'
import { readMailUrl, readSender } from '#src/mail/settings.ts'

t.test('reads the address of a mail server', async (t) => {
  t.same(readMailUrl('smtp://mail.example.com'), {
    host: 'mail.example.com',
    port: 587,
    secure: false,
    requireTLS: false,
    tls: { rejectUnauthorized: true }
  })
  t.match(readMailUrl('smtps://mail.example.com/'), { port: 465, secure: true })
  t.match(readMailUrl('smtp://[::1]:2525'), { host: '::1', port: 2525 })
  t.same(readMailUrl('smtp://ada%40example.com:p%2Fw@mail.example.com:25').auth, {
    user: 'ada@example.com',
    pass: 'p/w'
  })
})

t.test('a password is sent through TLS only, unless the server is on this machine', async (t) => {
  const requiresTls = (host: string) => {
    const { requireTLS, tls } = readMailUrl(`smtp://me:word@${host}`)
    t.equal(tls.rejectUnauthorized, requireTLS)
    return requireTLS
  }
  for (const host of [
    'mail.example.com',
    '10.0.0.1',
    '[2001:db8::1]',
    'localhost.example.com',
    '127.0.0.1.example.com'
  ])
    t.equal(requiresTls(host), true, host)
  for (const host of ['localhost', '127.0.0.1', '127.8.8.8', '[::1]']) t.equal(requiresTls(host), false, host)
})

t.test('refuses what is none', async (t) => {
  const refused: [string, RegExp][] = [
    ['mail.example.com', /^must begin with smtp:/],
    ['http://mail.example.com', /^must begin with smtp:/],
    ['smtp://', /^must (begin|name a host)/],
    ['smtp://host/path', /^must end after the host/],
    ['smtp://host?tls.rejectUnauthorized=false', /^must end after the host/],
    ['smtp://host#x', /^must end after the host/],
    ['smtp://%zz:x@host', /./]
  ]
  for (const [text, message] of refused) t.throws(() => readMailUrl(text), { message }, text)
})

t.test('reads a sender, with or without a name', async (t) => {
  const address = 'no-reply@example.com'
  t.same(readSender(address), { name: '', address })
  t.same(readSender(`Tenon Shop <${address}>`), { name: 'Tenon Shop', address })
  t.same(readSender(`"Tenon, Inc." <${address}>`), { name: 'Tenon, Inc.', address })
  const wrong = [
    '',
    'x',
    'a@b@c',
    `Tenon ${address}`,
    `<${address}`,
    `Tenon <x>`,
    `A\nBcc: b@c.d <${address}>`,
    `${address}, b@c.d`
  ]
  for (const text of wrong) t.throws(() => readSender(text), { message: /^must be an address/ }, JSON.stringify(text))
})
