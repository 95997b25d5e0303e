import { letter } from '../letter.ts'

/** To the address that an account had until now. */
export const emailChanged = () =>
  letter('Your e-mail address was changed', [
    'The account that had this address has another one from now on.',
    'If this was not you, tell the administrator at once: your password is known to another person.'
  ])
