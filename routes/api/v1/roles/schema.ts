import { Type } from '@sinclair/typebox'
import { SCOPE_PATTERN } from '#src/identity/scopes.ts'
import { Id, ReadOnly, Timestamp } from '#src/schema/fields.ts'
import { variants } from '#src/schema/variants.ts'

export const Role = Type.Object(
  {
    id: Id(),
    name: Type.String({ pattern: '^[a-z][a-z0-9-]{0,49}$', examples: ['editor'] }),
    scopes: Type.Array(Type.String({ pattern: SCOPE_PATTERN, maxLength: 80, examples: ['products:write'] }), {
      maxItems: 200,
      uniqueItems: true
    }),
    createdAt: ReadOnly(Timestamp()),
    updatedAt: ReadOnly(Timestamp())
  },
  { $id: 'Role', title: 'Role' }
)
export const { RoleCreate, RoleUpdate, RoleReplace } = variants('Role', Role)
