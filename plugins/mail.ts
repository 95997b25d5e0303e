import fp from 'fastify-plugin'
import { Mailer } from '#src/mail/mailer.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Sends mails, each as a job. */
    mailer: Mailer
  }
}

/** The mailer: through the server of `MAIL_URL`, or in development to the log. */
export default fp(
  async (app) => {
    const { MAIL_URL: url, MAIL_FROM: from, NODE_ENV } = app.config
    app.decorate('mailer', new Mailer(app.jobs, { url, from, logs: NODE_ENV !== 'production' }))
  },
  { name: 'mail', dependencies: ['jobs'] }
)
