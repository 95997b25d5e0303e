import { Type } from '@sinclair/typebox'

export const IdParams = Type.Object({ id: Type.String({ format: 'uuid', description: 'The id of the resource.' }) })

export const IfMatch = Type.Object({
  'if-match': Type.Optional(
    Type.String({
      description:
        'The ETag that was read, of the whole resource or with `fields` or `include`: 412 when the resource has changed since.'
    })
  ),
  'if-none-match': Type.Optional(Type.String({ description: 'An ETag, or `*` for any: 412 when the resource has it.' }))
})

export const IfNoneMatch = Type.Object({
  'if-none-match': Type.Optional(Type.String({ description: 'The ETag that the caller has: 304 while it is current.' }))
})

export const NoContent = Type.Null({ description: 'Done.' })

export const NotModified = Type.Null({ description: 'The caller has the current version.' })
