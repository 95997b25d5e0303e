import { Type } from '@sinclair/typebox'
import { SCOPE_PATTERN } from '#src/identity/scopes.ts'
import { Default, Id, Name, Nullable, ReadOnly, Timestamp } from '#src/schema/fields.ts'
import { variants, variantsOf } from '#src/schema/variants.ts'

const Metadata = Type.Unsafe<Record<string, string>>({
  type: 'object',
  description: 'Whatever you want to find again with the key.',
  maxProperties: 50,
  propertyNames: { type: 'string', minLength: 1, maxLength: 40 },
  additionalProperties: { type: 'string', maxLength: 500 },
  'x-any-shape': 'The names are the caller’s own; the values are text.',
  examples: [{ team: 'billing' }]
})

export const ApiKey = Type.Object(
  {
    id: Id(),
    name: Name({ maxLength: 200, examples: ['Nightly import'] }),
    scopes: Type.Array(Type.String({ pattern: SCOPE_PATTERN, maxLength: 80, examples: ['products:write'] }), {
      description: 'What the key may do: never more than its maker may.',
      maxItems: 200,
      uniqueItems: true
    }),
    expiresAt: Nullable(Timestamp()),
    allowedCidrs: Nullable(
      Type.Array(Type.String({ format: 'cidr', maxLength: 64, examples: ['203.0.113.0/24'] }), {
        description: 'Addresses and networks that the key may be used from.',
        minItems: 1,
        maxItems: 100
      })
    ),
    tier: Nullable(
      Type.String({
        description: 'The rate tier; one that is faster than standard needs the scope api-keys:*.',
        pattern: '^[a-z][a-z0-9-]{0,49}$',
        examples: ['standard']
      })
    ),
    metadata: Nullable(Metadata),
    enabled: Default(Type.Boolean(), true),
    prefix: ReadOnly(
      Type.String({ description: 'The start of the key.', examples: ['tn_live_0BmqCM5DgHBMNmGbZbhDDt'] })
    ),
    lastUsedAt: ReadOnly(Nullable(Timestamp())),
    createdAt: ReadOnly(Timestamp()),
    updatedAt: ReadOnly(Timestamp())
  },
  { $id: 'ApiKey', title: 'ApiKey' }
)
export const { ApiKeyCreate, ApiKeyUpdate, ApiKeyReplace } = variants('ApiKey', ApiKey)

/** The answer to making a key: the only one with the key itself. */
export const ApiKeyWithSecret = Type.Object(
  {
    ...variantsOf(ApiKey).Response.properties,
    key: Type.String({
      description:
        'The key, shown this once: `X-API-Key: …` or `Authorization: Bearer …`. Its id is also an OAuth 2 client.',
      examples: ['tn_live_0BmqCM5DgHBMNmGbZbhDDt_…']
    })
  },
  { $id: 'ApiKeyWithSecret', title: 'ApiKeyWithSecret' }
)

export const KeyRotation = Type.Object(
  {
    overlapSeconds: Type.Optional(
      Default(
        Type.Integer({ description: 'How long the key before goes on working.', minimum: 0, maximum: 2_592_000 }),
        86_400
      )
    )
  },
  { $id: 'KeyRotation', title: 'KeyRotation', additionalProperties: false }
)
