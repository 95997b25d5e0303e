import { type TObject, type TSchema, Type } from '@sinclair/typebox'
import { Nullable } from './fields.ts'

const CURSOR = { description: 'Opaque: send it back as `cursor`.', examples: ['3kTMd1bQx5…'] }

const PageInfo = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 200 }),
    next: Nullable(Type.String(CURSOR)),
    previous: Nullable(Type.String(CURSOR)),
    total: Type.Optional(Type.Integer({ description: 'Only where `count` asks for it.' }))
  },
  { $id: 'PageInfo', title: 'PageInfo', additionalProperties: false }
)

/** One page of a list. */
export function pageOf(one: TSchema, name?: string): TObject {
  return Type.Object(
    { data: Type.Array(one), page: PageInfo },
    { ...(name && { $id: name, title: name }), additionalProperties: false }
  )
}
