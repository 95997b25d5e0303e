import { validationFailed } from '#src/errors.ts'

/** The refusal of a wrong current password, or of one that has changed since. */
export const notYourPassword = () =>
  validationFailed([{ in: 'body', path: '/currentPassword', code: 'wrong', message: 'is not your password' }])
