import type { FastifyBaseLogger } from 'fastify'
import { createTransport } from 'nodemailer'
import { ApiError } from '#src/errors.ts'
import { JobFailed } from '#src/jobs/job.ts'
import type { Jobs, SendOptions } from '#src/jobs/jobs.ts'
import type { MailMessage } from './message.ts'
import sendMail from './send.job.ts'
import { type MailSender, readMailUrl, readSender } from './settings.ts'

interface MailerSettings {
  /** `MAIL_URL`. */
  url: string | undefined
  /** `MAIL_FROM`. */
  from: string
  /** Whether a mail is written to the log where there is no server for it. */
  logs: boolean
}

// A server that hangs must not hold the places of other mails.
const TIMES = { dnsTimeout: 10_000, connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 30_000 }

/** Sends mails, each as a job. */
export class Mailer {
  /** Whether there is a server that takes mails. */
  readonly hasServer: boolean
  /** Whether a mail goes anywhere: to that server, or in development to the log. */
  readonly isOn: boolean
  readonly #jobs: Jobs
  readonly #from: MailSender
  readonly #transport: ReturnType<typeof makeTransport> | undefined

  constructor(jobs: Jobs, { url, from, logs }: MailerSettings) {
    this.#jobs = jobs
    this.#from = readSender(from)
    this.#transport = url === undefined ? undefined : makeTransport(url)
    this.hasServer = url !== undefined
    this.isOn = this.hasServer || logs
  }

  /** @throws ApiError MAIL_OFF where no mail can be sent. */
  assertOn(): void {
    if (!this.isOn) throw new ApiError('MAIL_OFF')
  }

  /**
   * Sends a mail, as a job: with `tx` only if that is committed. The job keeps the mail for a day, in clear text: one with a
   * secret is made by a job of its own, which calls `deliver`.
   * @returns the id of the job. @throws ApiError MAIL_OFF where no mail can be sent.
   */
  async send(message: MailMessage, options?: SendOptions): Promise<string> {
    this.assertOn()
    return this.#jobs.send(sendMail, message, options)
  }

  /**
   * Hands a mail to the server now: for the handlers of jobs, which are run again when it fails.
   * @param id of the job: a mail that is sent twice is known as one by it.
   * @throws JobFailed when the server refuses it for good. @throws when the server is away.
   */
  async deliver({ to, subject, text, html }: MailMessage, id: string, log: FastifyBaseLogger): Promise<void> {
    if (!this.#transport) {
      log.info({ mail: { to, subject, text } }, 'a mail, which is not sent because MAIL_URL is not set')
      return
    }
    const { name, address } = this.#from
    const messageId = `<${id}@${address.slice(address.indexOf('@') + 1)}>`
    try {
      await this.#transport.sendMail({
        // As objects: a text would be read as a list of addresses.
        from: { name, address },
        to: { name: '', address: to },
        subject,
        text,
        html,
        messageId,
        // No answer of a machine is wanted (RFC 3834).
        headers: { 'Auto-Submitted': 'auto-generated' }
      })
    } catch (error) {
      throw explain(error as SmtpError, to)
    }
  }
}

interface SmtpError extends Error {
  code: string
  responseCode?: number
}

const makeTransport = (url: string) =>
  createTransport({ ...readMailUrl(url), ...TIMES, disableFileAccess: true, disableUrlAccess: true })

const REFUSALS = new Set(['EENVELOPE', 'EMESSAGE'])

// What is refused for its recipient or content is refused again. The address of a person is none for the log.
function explain({ code, responseCode = 0, message }: SmtpError, to: string): Error {
  const isFinal = responseCode >= 500 && REFUSALS.has(code)
  const reason = `the mail server: ${message.replaceAll(to, '[recipient]')}`
  return isFinal ? new JobFailed(reason) : new Error(reason)
}
