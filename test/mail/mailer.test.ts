import { sql } from 'drizzle-orm'
import { pino } from 'pino'
import t from 'tap'
import { selectRaw } from '#src/db/rows.ts'
import { JobFailed } from '#src/jobs/job.ts'
import { letter } from '#src/mail/letter.ts'
import { Mailer } from '#src/mail/mailer.ts'
import { startApp } from '#test/support/app.ts'
import { startSmtp } from '#test/support/smtp.ts'

const refused = new Map([
  ['gone@example.com', 550],
  ['full@example.com', 452]
])
const smtp = await startSmtp(t, (recipient) => refused.get(recipient))
const { app } = await startApp(t, { JOBS: 'on', MAIL_URL: smtp.url, MAIL_FROM: '"Tenon, Inc." <no-reply@example.com>' })
const { mailer } = app
const log = pino({ level: 'silent' })
const content = letter('Wéll <met>', [
  'Ça va & <b>bien</b>?',
  { link: 'https://example.com/?a=1&b="2"', label: 'Go <on>' }
])
const to = 'ada@example.com'

t.test('a mail is sent as a job, in the transaction, as text and as HTML with every value escaped', async (t) => {
  const gone = app.db.transaction(async (tx) => {
    await mailer.send({ to: 'never@example.com', ...content }, { tx })
    throw new Error('rolled back')
  })
  await t.rejects(gone, { message: 'rolled back' })
  const id = await mailer.send({ to, ...content })
  const { headers, parts } = await smtp.take(to)
  t.equal(headers.get('from'), '"Tenon, Inc." <no-reply@example.com>')
  t.equal(headers.get('to'), to)
  t.equal(headers.get('message-id'), `<${id}@example.com>`)
  t.equal(headers.get('auto-submitted'), 'auto-generated')
  t.equal(headers.get('subject'), '=?UTF-8?Q?W=C3=A9ll_=3Cmet=3E?=')
  t.equal(parts.get('text/plain'), 'Ça va & <b>bien</b>?\r\n\r\nhttps://example.com/?a=1&b="2"')
  const html = parts.get('text/html') as string
  t.match(html, '<p>Ça va &amp; &lt;b&gt;bien&lt;/b&gt;?</p>')
  const address = 'https://example.com/?a=1&amp;b=&quot;2&quot;'
  t.match(html, `<a href="${address}">Go &lt;on&gt;</a><br>${address}`)
  t.equal(smtp.mails.length, 0, 'the one of the transaction that was rolled back is not sent')
})

t.test('no text adds a header or a recipient', async (t) => {
  const hostile = [
    { to: 'ada@example.com\r\nBcc: eve@example.com' },
    { to: 'ada@example.com, eve@example.com' },
    { to: 'ada@example.com>\nRCPT TO:<eve@example.com' },
    { to: 'Ada <ada@example.com>' },
    { subject: 'Hi\r\nBcc: eve@example.com' },
    { subject: 'Hi\nX: y' },
    { subject: 'Hi\u2028Bcc: eve@example.com' },
    { subject: 'Hi\0' }
  ]
  for (const [index, one] of hostile.entries())
    await t.rejects(mailer.send({ to, ...content, ...one }), { code: 'VALIDATION_FAILED' }, `${index}`)
  // Also past the check of the job's input.
  const text = 'Hello\r\n.\r\nMAIL FROM:<eve@example.com>'
  await mailer.deliver({ to, ...content, subject: 'Hi\r\nBcc: eve@example.com', text }, 'a', log)
  const mail = await smtp.take(to)
  t.same(mail.to, [to])
  t.notOk(mail.headers.has('bcc'))
  t.equal(mail.parts.get('text/plain'), text, 'a dot alone on its line ends no message')
  t.equal(smtp.mails.length, 0)
})

t.test('what the server refuses for good fails at once, and all else is tried again', async (t) => {
  const deliver = (to: string) => mailer.deliver({ to, ...content }, 'a', log)
  const final = await deliver('gone@example.com').catch((error) => error)
  t.type(final, JobFailed)
  t.match(final.message, /^the mail server: .*550 no such mailbox: \[recipient\]/)
  const later = await deliver('full@example.com').catch((error) => error)
  t.notOk(later instanceof JobFailed)
  t.match(later.message, /452/)
  const away = new Mailer(app.jobs, { url: 'smtp://127.0.0.1:1', from: 'a@example.com', logs: false })
  const lost = await away.deliver({ to, ...content }, 'a', log).catch((error) => error)
  t.notOk(lost instanceof JobFailed)
  t.match(lost.message, /ECONNREFUSED/)
})

t.test('a mail that failed is sent again by its job', async (t) => {
  refused.set(to, 451)
  const id = await mailer.send({ to, ...content })
  const read = async () =>
    (await selectRaw<{ state: string }>(app.db, sql`select state from job_common where id = ${id}`))[0]
  while ((await read())?.state !== 'retry') await new Promise(setImmediate)
  refused.delete(to)
  await app.db.execute(sql`update job_common set start_after = now() where id = ${id}`)
  t.equal((await smtp.take(to)).headers.get('message-id'), `<${id}@example.com>`)
})

t.test('a user name and a password are given to the server', async (t) => {
  const url = smtp.url.replace('//', '//me%40example.com:p%2Fw@')
  const other = new Mailer(app.jobs, { url, from: 'a@example.com', logs: false })
  await other.deliver({ to, ...content }, 'a', log)
  await smtp.take(to)
  t.same(smtp.logins, ['me@example.com:p/w'])
})

t.test('without a server a mail is written to the log, and in production none is sent', async (t) => {
  const lines: string[] = []
  const written = pino({}, { write: (line: string) => void lines.push(line) })
  const logging = new Mailer(app.jobs, { url: undefined, from: 'a@example.com', logs: true })
  t.match(logging, { isOn: true, hasServer: false })
  await logging.deliver({ to, ...content }, 'a', written)
  t.match(JSON.parse(lines[0] as string).mail, { to, subject: content.subject, text: content.text })
  const off = new Mailer(app.jobs, { url: undefined, from: 'a@example.com', logs: false })
  t.match(off, { isOn: false, hasServer: false })
  await t.rejects(off.send({ to, ...content }), { code: 'MAIL_OFF' })
})
