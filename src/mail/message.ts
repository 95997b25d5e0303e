import { type Static, Type } from '@sinclair/typebox'

/** What a mail says, as text and as HTML. */
export interface MailContent {
  subject: string
  text: string
  html: string
}

/**
 * A mail to one recipient. Neither the address nor the subject can hold a line break or another control character, with
 * which a caller would add headers and recipients of its own.
 */
export const MailMessage = Type.Object(
  {
    to: Type.String({ format: 'email', maxLength: 254 }),
    subject: Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\p{Cc}\\u2028\\u2029]*$' }),
    text: Type.String({ minLength: 1, maxLength: 100_000 }),
    html: Type.String({ minLength: 1, maxLength: 200_000 })
  },
  { additionalProperties: false }
)
export type MailMessage = Static<typeof MailMessage>
