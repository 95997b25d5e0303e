import { Type } from '@sinclair/typebox'
import { Default, Id, Name, Personal, ReadOnly, Timestamp, WriteOnly } from '#src/schema/fields.ts'
import { variants } from '#src/schema/variants.ts'

export const User = Type.Object(
  {
    id: Id(),
    email: Personal(Type.String({ format: 'email', maxLength: 254, examples: ['ada@example.com'] })),
    emailVerified: ReadOnly(Type.Boolean({ description: 'Whether this address was confirmed by a message.' })),
    password: WriteOnly(
      Type.String({
        description: 'Hashed slowly, one after the other where there are many: a bulk of 1,000 takes about 15 seconds.',
        minLength: 8,
        maxLength: 128,
        examples: ['correct horse battery staple']
      })
    ),
    name: Personal(Name({ maxLength: 200, examples: ['Ada Lovelace'] })),
    role: Default(Name({ maxLength: 50, examples: ['member'] }), 'member'),
    active: Default(Type.Boolean(), true),
    createdAt: ReadOnly(Timestamp()),
    updatedAt: ReadOnly(Timestamp())
  },
  { $id: 'User', title: 'User' }
)
export const { UserCreate, UserUpdate, UserReplace } = variants('User', User)

/** The fields that users may change of themselves here. */
export const MeUpdate = Type.Pick(UserUpdate, ['name'], {
  $id: 'MeUpdate',
  title: 'MeUpdate',
  additionalProperties: false
})

export const SessionParams = Type.Object({
  id: Type.String({ format: 'uuid', description: 'The id of the user.' }),
  sessionId: Type.String({ format: 'uuid', description: 'The id of the session.' })
})

/** The deletion of the own account, with the current password as proof. */
export const AccountDeletion = Type.Object(
  {
    currentPassword: WriteOnly(
      Type.String({ minLength: 1, maxLength: 128, examples: ['correct horse battery staple'] })
    )
  },
  { $id: 'AccountDeletion', title: 'AccountDeletion', additionalProperties: false }
)
