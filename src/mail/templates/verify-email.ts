import { letter } from '../letter.ts'

/** To the address of an account, to find out whether its user reads it. */
export const verifyEmail = (link: string) =>
  letter('Confirm your e-mail address', [
    'There is an account with this address. With this link you confirm that the address is yours, within an hour:',
    { link, label: 'Confirm the address' },
    'If you did not make an account, ignore this message.'
  ])
