import { letter } from '../letter.ts'

/** To the address that an account is to have. */
export const changeEmail = (link: string) =>
  letter('Confirm your new e-mail address', [
    'An account is to have this address from now on. With this link you confirm the change, within an hour:',
    { link, label: 'Confirm the change' },
    'If you did not ask for it, ignore this message: nothing has changed.'
  ])
