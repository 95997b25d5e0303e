import { Type } from '@sinclair/typebox'
import { Id, Name, Nullable, ReadOnly, Reference, Timestamp } from '#src/schema/fields.ts'
import { variants } from '#src/schema/variants.ts'

export const Item = Type.Object(
  {
    id: Id(),
    title: Name({ maxLength: 200, examples: ['Water the plants'] }),
    description: Nullable(Type.String({ maxLength: 5000, examples: ['The ones on the balcony too.'] })),
    ownerId: ReadOnly(Reference()),
    createdAt: ReadOnly(Timestamp()),
    updatedAt: ReadOnly(Timestamp())
  },
  { $id: 'Item', title: 'Item' }
)
export const { ItemCreate, ItemUpdate, ItemReplace } = variants('Item', Item)
