import { defineJob } from '#src/jobs/job.ts'
import { MailMessage } from './message.ts'

/** Sends one mail. A server that is away is tried for a day. */
export default defineJob({
  name: 'mail.send',
  input: MailMessage,
  retry: { delaysSeconds: [10, 60, 300, 1800, 7200, 21_600, 43_200] },
  timeoutSeconds: 120,
  keepSeconds: 86_400,
  async handle({ mailer }, message, { id, log }) {
    await mailer.deliver(message, id, log)
  }
})
