import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import type { Test } from 'tap'
import { until } from './until.ts'

/** A mail as a server got it. */
export interface GotMail {
  to: string[]
  /** Each header once, by its name in lower case. */
  headers: Map<string, string>
  /** The parts, by their media type. */
  parts: Map<string, string>
  raw: string
}

/**
 * A real SMTP server on 127.0.0.1, closed when the test ends. It notes the mails that it gets.
 * @param refuse gives the code that a recipient is refused with.
 */
export async function startSmtp(t: Test, refuse: (recipient: string) => number | undefined = () => undefined) {
  const mails: GotMail[] = []
  const logins: string[] = []
  const server = new SMTPServer({
    authOptional: true,
    logger: false,
    onAuth({ username = '', password }, _session, done) {
      logins.push(`${username}:${password}`)
      done(null, { user: username })
    },
    onRcptTo({ address }, _session, done) {
      const responseCode = refuse(address)
      if (responseCode === undefined) return done()
      done(Object.assign(new Error(`no such mailbox: ${address}`), { responseCode }))
    },
    onData(stream, { envelope }, done) {
      let raw = ''
      stream.setEncoding('utf8')
      stream.on('data', (part) => {
        raw += part
      })
      stream.on('end', () => {
        mails.push(
          readMail(
            envelope.rcptTo.map(({ address }) => address),
            raw
          )
        )
        done()
      })
    }
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(() => new Promise<void>((done) => server.close(done)))
  const { port } = server.server.address() as AddressInfo
  /** The next mail to an address, or one that is there already. */
  async function take(to: string): Promise<GotMail> {
    const find = () => mails.findIndex((mail) => mail.to.includes(to))
    await until(() => find() >= 0)
    return mails.splice(find(), 1)[0] as GotMail
  }
  return { port, url: `smtp://127.0.0.1:${port}`, mails, logins, take }
}

function readMail(to: string[], raw: string): GotMail {
  const { headers, body } = readPart(raw)
  const [, boundary = ''] = /boundary="(.*)"/.exec(headers.get('content-type') ?? '') ?? []
  const parts = body
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => readPart(part.trimStart()))
  const byType = parts.map(
    ({ headers, body }) => [(headers.get('content-type') ?? '').split(';')[0] ?? '', body] as const
  )
  return { to, headers, parts: new Map(byType), raw }
}

function readPart(text: string): { headers: Map<string, string>; body: string } {
  const end = text.indexOf('\r\n\r\n')
  const lines = text
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
  const headers = new Map(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.replace(/^.*?: /, '')])
  )
  const body = text.slice(end + 4).trimEnd()
  return { headers, body: headers.get('content-transfer-encoding') === 'quoted-printable' ? unquote(body) : body }
}

const unquote = (text: string) => {
  const latin = text
    .replaceAll('=\r\n', '')
    .replaceAll(/=([0-9A-F]{2})/g, (_sign, code) => String.fromCharCode(Number.parseInt(code, 16)))
  return Buffer.from(latin, 'latin1').toString()
}
