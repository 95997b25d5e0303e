import { type TObject, type TSchema, Type } from '@sinclair/typebox'
import { getTableColumns, type SQL } from 'drizzle-orm'
import type { AnyPgColumn, PgTable } from 'drizzle-orm/pg-core'
import { constraintsOf } from '#src/db/constraints.ts'
import type { Fault } from '#src/errors.ts'
import { isNullable } from '#src/schema/fields.ts'
import { compileSerializer } from '#src/schema/serialize.ts'
import { variantsOf } from '#src/schema/variants.ts'
import type { Computed, Declaration } from '../declaration.ts'
import { jsonFieldsOf, withJsonPatches } from '../json-fields.ts'
import { DeclarationError, type Field, OWN_KEY, type Resource, select, VERSION } from '../model.ts'
import { mappedSource, sourceOf, typeOf } from '../types/types.ts'
import { checkType } from './check-types.ts'
import { compileIncludes, includedFields, pointers } from './includes.ts'
import { compileStored, type Leaf } from './row-reader.ts'

/**
 * Checks a declaration and works out its fields, columns and schemas.
 * @throws DeclarationError for a field that has no column, or a list, owner or include that names what is not there.
 */
export function compileResource(name: string, declaration: Declaration): Resource {
  const { schema, table } = declaration
  for (const verb of ['read', 'write', 'delete'] as const) {
    if (!declaration.access?.[verb])
      throw new DeclarationError(`${name}: access.${verb} is missing: say who may, such as '${name}:${verb}'`)
  }
  if (!schema.$id) throw new DeclarationError(`${name}: the schema needs an $id, such as 'Product'`)
  const columns = getTableColumns(table) as Record<string, AnyPgColumn>
  const includes = compileIncludes(name, declaration)
  const computed = computedOf(name, declaration)
  const fields = new Map<string, Field>()
  for (const [property, one] of Object.entries(schema.properties)) {
    if (includes.has(property) || property in (declaration.computed ?? {})) continue
    for (const field of leaves(property, one, declaration.columns?.[property] ?? property)) {
      const column = columns[field.key]
      if (!column)
        throw new DeclarationError(`${name}: field '${field.name}' has no column '${field.key}' in its table`)
      const type = typeOf(column)
      const where = `${name}: field '${field.name}'`
      checkType(where, field.schema, column, type)
      fields.set(field.name, { ...field, column, type, store: type.store?.(column, field.path, field.schema) })
    }
  }
  const { filter = [], sort = [], search = [] } = declaration.list ?? {}
  for (const one of [...filter, ...sort]) {
    const field = fields.get(one)
    if (!field) throw new DeclarationError(`${name}: list names '${one}', which is not a field of its schema`)
    // Sorting by a secret would reveal it, one comparison at a time.
    if (field.schema.writeOnly) throw new DeclarationError(`${name}: list names '${one}', which nobody may read`)
  }
  for (const one of filter) {
    const { type, isNullable } = fields.get(one) as Field
    if (type.operators.length === 0 && !isNullable) {
      throw new DeclarationError(
        `${name}: list.filter names '${one}', whose type ${type.name} cannot be compared: leave it out`
      )
    }
  }
  for (const one of sort) {
    const { type } = fields.get(one) as Field
    if (!type.isOrdered)
      throw new DeclarationError(
        `${name}: list.sort names '${one}', whose type ${type.name} has no order: leave it out`
      )
  }
  for (const one of search) {
    const column = columns[one]
    if (column && !typeOf(column).operators.includes('like'))
      throw new DeclarationError(`${name}: list.search names '${one}', which is no text: leave it out`)
  }
  for (const one of [...search, ...(declaration.owner ? [declaration.owner] : [])]) {
    if (!columns[one]) throw new DeclarationError(`${name}: '${one}' is not a column of its table`)
  }
  if (declaration.whenOwnerLeaves && !declaration.owner) {
    throw new DeclarationError(`${name}: whenOwnerLeaves needs an owner`)
  }
  if (declaration.cache && (declaration.access.read !== 'public' || declaration.owner)) {
    throw new DeclarationError(`${name}: cache is for what everybody may read`)
  }
  const json = jsonFieldsOf(fields.values())
  const own = variantsOf(schema)
  const variants = { ...own, Update: withJsonPatches(own.Update, json) as (typeof own)['Update'] }
  const readable = [...fields.values()].filter((field) => !schema.properties[field.path[0] as string]?.writeOnly)
  const wire = { ...select(readable.map(mapped)), ...computed.selection }
  const server = { [VERSION]: columns.version as AnyPgColumn, ...pointers(includes, columns) } as Record<
    string,
    AnyPgColumn
  >
  const answer = Type.Object(
    { ...variants.Response.properties, ...Object.fromEntries(includedFields(includes)) },
    { ...variants.Response, properties: undefined, required: undefined }
  )
  const owner = declaration.owner && { '@owner': columns[declaration.owner] as AnyPgColumn }
  return {
    name,
    noun: nounOf(schema.$id),
    faults: faultsOf(table, fields),
    declaration,
    table,
    fields,
    columns,
    includes,
    made: Object.entries(columns).flatMap(([key, { defaultFn }]) => (defaultFn ? [[key, defaultFn]] : [])),
    computed: computed.made,
    json,
    variants,
    selection: { ...wire, ...server },
    stored: compileStored(leavesOf(readable, computed.selection, schema), {
      ...server,
      ...owner,
      [OWN_KEY]: columns.id as AnyPgColumn
    }),
    isPlain:
      computed.made.length === 0 && !declaration.withhold && ![...includes.values()].some(({ isAlways }) => isAlways),
    answer,
    serialize: compileSerializer(answer)
  }
}

const mapped = ({ path, column, schema }: Field) => ({ path, source: mappedSource(column, schema) })

function nounOf(id: string): string {
  const words = id
    .replace(/V\d+$/, '')
    .replace(/(?<=.)[A-Z]/g, ' $&')
    .toLowerCase()
  return `${/^[aeio]/.test(words) ? 'an' : 'a'} ${words}`
}

function leavesOf(fields: Field[], computed: Record<string, SQL>, { properties }: TObject): Leaf[] {
  const stored = fields.map(({ path, schema, column, type }) => ({
    path,
    schema,
    type,
    source: sourceOf(column, type)
  }))
  const made = Object.entries(computed).map(([name, source]) => ({
    path: [name],
    schema: properties[name] as TSchema,
    source
  }))
  return [...stored, ...made]
}

// Where a computed field comes from: SQL is selected with the columns, a function is called with the row that was read.
function computedOf(name: string, { schema, computed = {} }: Declaration) {
  const selection: Record<string, SQL> = {}
  const made: Resource['computed'] = []
  for (const [field, from] of Object.entries(computed as Record<string, Computed>)) {
    if (!schema.properties[field]?.readOnly)
      throw new DeclarationError(`${name}: computed '${field}' is not a read-only field of its schema`)
    if (typeof from === 'function') made.push([field, from as (row: object) => unknown])
    else selection[field] = from
  }
  return { selection, made }
}

function* leaves(
  name: string,
  schema: TSchema,
  target: string | Record<string, string>
): Iterable<Omit<Field, 'column' | 'type'>> {
  if (typeof target === 'string') {
    yield { name, path: name.split('.'), schema, key: target, isNullable: isNullable(schema) }
    return
  }
  for (const [inner, one] of Object.entries(schema.properties as Record<string, TSchema>)) {
    yield* leaves(`${name}.${inner}`, one, target[inner] ?? inner)
  }
}

const FAULT_MESSAGES = {
  unique: 'is already taken',
  reference: 'names nothing that exists',
  check: 'breaks a rule of this resource'
}

function faultsOf(table: PgTable, fields: Map<string, Field>): Map<string, Fault> {
  const faults = new Map<string, Fault>()
  for (const [name, { kind, columns }] of constraintsOf(table)) {
    const field = [...fields.values()].find(({ key }) => columns.includes(key))
    if (field)
      faults.set(name, { in: 'body', path: `/${field.path.join('/')}`, code: kind, message: FAULT_MESSAGES[kind] })
  }
  return faults
}
