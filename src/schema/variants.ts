import { type Static, type TObject, type TOptional, type TProperties, type TSchema, Type } from '@sinclair/typebox'
import { isNullable, Nullable, type TDefault, type TNullable, type TReadOnly, type TWriteOnly } from './fields.ts'

type Writable<P extends TProperties> = { [K in keyof P as P[K] extends TReadOnly<TSchema> ? never : K]: P[K] }
type Readable<P extends TProperties> = { [K in keyof P as P[K] extends TWriteOnly<TSchema> ? never : K]: P[K] }
type Omittable<T extends TSchema> = T extends TDefault<TSchema> | TNullable<TSchema> ? TOptional<T> : T
type CreateProperties<P extends TProperties> = { [K in keyof Writable<P>]: Omittable<Writable<P>[K]> }
type UpdateProperties<P extends TProperties> = { [K in keyof Writable<P>]: TOptional<Writable<P>[K]> }

/** The schemas derived from a resource's own: of its answers, and of create, update and replace. */
export interface Variants<P extends TProperties = TProperties> {
  Response: TObject<Readable<P>>
  Sparse: TObject
  Create: TObject<CreateProperties<P>>
  Update: TObject<UpdateProperties<P>>
  Replace: TObject<CreateProperties<P>>
}

/** A resource in the form of an answer. */
export type Answer<S extends TObject> = S extends TObject<infer P> ? Static<TObject<Readable<P>>> : never

const cache = new WeakMap<object, Variants>()

/**
 * The variants of a resource schema, made once for each.
 * Create: no read-only fields; defaults and nullables are optional. Update: all optional, no defaults (RFC 7396).
 * Replace: as create, but a write-only field may be left out, since a client cannot read it to send it back, and
 * read-only fields may be there, so that the body can be what a read answered.
 */
export function variantsOf<P extends TProperties>(schema: TObject<P>): Variants<P> {
  let variants = cache.get(schema)
  if (!variants) {
    variants = build(schema as unknown as TObject)
    cache.set(schema, variants)
  }
  return variants as unknown as Variants<P>
}

/** The same, under the names for other files: `ProductCreate`, `ProductUpdate`, `ProductReplace`. */
export function variants<N extends string, P extends TProperties>(name: N, schema: TObject<P>) {
  const { Create, Update, Replace } = variantsOf(schema)
  return { [`${name}Create`]: Create, [`${name}Update`]: Update, [`${name}Replace`]: Replace } as {
    [K in 'Create' | 'Update' | 'Replace' as `${N}${K}`]: Variants<P>[K]
  }
}

function build(schema: TObject): Variants {
  const all = Object.entries(schema.properties)
  const fields = (suffix: string, isKept: (field: TSchema) => boolean) =>
    all
      .filter(([, field]) => isKept(field))
      .map(([name, field]): [string, TSchema] => [name, inside(field, suffix, isKept)])
  const create = fields('Create', isWritable).map(([name, field]): [string, TSchema] => [name, omittable(field)])
  const update = fields('Update', isWritable).map(([name, field]): [string, TSchema] => [name, patchable(field)])
  const readable = fields('', isReadable)
  return {
    Response: strict(schema, '', readable),
    Sparse: strict(
      schema,
      'Sparse',
      readable.map(([name, field]) => [name, Type.Optional(field)])
    ),
    Create: strict(schema, 'Create', create),
    Update: strict(
      schema,
      'Update',
      update.map(([name, field]) => [name, Type.Optional(field)])
    ),
    Replace: strict(
      schema,
      'Replace',
      fields('Replace', () => true).map(([name, field]) => [name, replaceable(field)])
    )
  } as Variants
}

const isWritable = (field: TSchema) => !field.readOnly
const isReadable = (field: TSchema) => !field.writeOnly

function strict({ $id }: TSchema, suffix: string, fields: [string, TSchema][]): TObject {
  const name = $id && $id + suffix
  return Type.Object(Object.fromEntries(fields), {
    ...(name && { $id: name, title: name }),
    additionalProperties: false
  })
}

// The rules of a resource apply to the objects inside it: strict, without the fields of the other direction.
function inside(field: TSchema, suffix: string, isKept: (field: TSchema) => boolean): TSchema {
  if (field.type === 'array') return { ...field, items: inside(field.items, suffix, isKept) }
  if (field.type !== 'object' || !field.properties) return field
  const kept = Object.entries(field.properties as TProperties).filter(([, one]) => isKept(one))
  return strict(
    field,
    suffix,
    kept.map(([name, one]) => [name, sendable(inside(one, suffix, isKept), suffix)])
  )
}

// A field inside an object has its default, too, where a body is sent without it.
function sendable(field: TSchema, suffix: string): TSchema {
  return (suffix === 'Create' || suffix === 'Replace') && 'default' in field ? Type.Optional(field) : field
}

// A create or replace without the field takes its default, or null where null is allowed.
function omittable(field: TSchema): TSchema {
  if ('default' in field) return Type.Optional(field)
  return isNullable(field) ? Type.Optional({ ...field, default: null }) : field
}

// A field without a value in a replace: what only the server writes keeps its value, and so does what cannot be read.
function replaceable(field: TSchema): TSchema {
  if (field.writeOnly) return Type.Optional(omittable(field))
  if (!field.readOnly) return omittable(field)
  const { default: _default, ...rest } = field
  return Type.Optional(rest as TSchema)
}

// A merge patch changes only the named fields (RFC 7396): no defaults, and an object inside is patched, not replaced.
function patchable(field: TSchema): TSchema {
  const { default: _default, ...rest } = field
  if (rest.type !== 'object' || !rest.properties) return rest as TSchema
  const inner = Object.entries(rest.properties as TProperties)
  return Type.Object(Object.fromEntries(inner.map(([name, one]) => [name, Type.Optional(patchable(one))])), {
    additionalProperties: false
  })
}

/**
 * A merge patch of a JSON value (RFC 7396): any of its members, and null to delete one. Whether enough of them are left
 * is checked on the merged value.
 */
export function jsonPatch(schema: TSchema): TSchema {
  const { default: _default, required: _required, minProperties: _min, maxProperties: _max, ...rest } = schema
  const isObject = [rest.type].flat().includes('object')
  if (!isObject) return rest as TSchema
  const member = (one: TSchema) => (isNullable(one) ? jsonPatch(one) : Nullable(jsonPatch(one)))
  const members = Object.entries((rest.properties ?? {}) as TProperties)
  const { additionalProperties } = rest
  return {
    ...rest,
    ...(members.length > 0 && { properties: Object.fromEntries(members.map(([name, one]) => [name, member(one)])) }),
    ...(typeof additionalProperties === 'object' && { additionalProperties: member(additionalProperties) })
  } as TSchema
}
