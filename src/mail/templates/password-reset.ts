import { letter } from '../letter.ts'

/** To the user of an account after its password was set by a link. */
export const passwordReset = () =>
  letter('Your password was changed', [
    'The password of the account with this address was set anew, by a link that was sent here. All logins have ended.',
    'If this was not you, another person reads your mails: change their password first, and then that of the account.'
  ])
