import type { FastifyPluginAsync } from 'fastify'
import { accountPage, PAGE_POLICY } from '#routes/account/page.ts'

const PAGES = {
  'reset-password': {
    title: 'Set a new password',
    action: '/api/v1/auth/password-reset/confirm',
    button: 'Set the password',
    done: 'The password is set. Log in with it.',
    hasPassword: true
  },
  'verify-email': {
    title: 'Confirm your e-mail address',
    action: '/api/v1/auth/verify-email/confirm',
    button: 'Confirm',
    done: 'The address is confirmed.',
    hasPassword: false
  },
  'change-email': {
    title: 'Confirm your new e-mail address',
    action: '/api/v1/auth/email/confirm',
    button: 'Confirm',
    done: 'The address is changed. Log in with it from now on.',
    hasPassword: false
  }
}

/** The pages that the links in mails lead to, where `MAIL_LINK_URL` names no others. */
export default (async (app) => {
  for (const [name, page] of Object.entries(PAGES)) {
    const text = accountPage(page)
    app.get(
      `/${name}`,
      { config: { access: 'public', contentSecurityPolicy: () => PAGE_POLICY }, schema: { hide: true } },
      async (_request, reply) => {
        reply.header('cache-control', 'no-store')
        return reply.type('text/html; charset=utf-8').send(text)
      }
    )
  }
}) satisfies FastifyPluginAsync
