import { Type } from '@sinclair/typebox'

/** The answer of the health routes. */
export const Health = Type.Object({ status: Type.String({ examples: ['ok'] }) }, { $id: 'Health', title: 'Health' })
