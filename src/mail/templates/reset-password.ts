import { letter } from '../letter.ts'

/** To the user that asked for a new password. No text of the user's is in it, as any caller can register. */
export const resetPassword = (link: string) =>
  letter('Set a new password', [
    'A new password was asked for, for the account with this address. With this link you set it, once and within an hour:',
    { link, label: 'Set a new password' },
    'All logins of the account end with that. If you did not ask for it, ignore this message: nothing has changed.'
  ])
