import { type TObject, type TSchema, Type } from '@sinclair/typebox'
import { getTableColumns } from 'drizzle-orm'
import type { AnyPgColumn, PgTable } from 'drizzle-orm/pg-core'
import { documentedAs, Nullable } from '#src/schema/fields.ts'
import { variantsOf } from '#src/schema/variants.ts'
import type { Include } from '../declaration.ts'
import { type CompiledInclude, DeclarationError, OWN_KEY, pointerName, type Selection, select } from '../model.ts'
import { mappedSource } from '../types/types.ts'

const DEEPEST = 3

interface Including {
  schema: TObject
  table: PgTable
  include?: Record<string, Include>
}

type Columns = Record<string, AnyPgColumn>
const columnsOf = (table: PgTable) => getTableColumns(table) as Columns

/**
 * Checks declared includes, and those inside them, and computes what is needed to load them.
 * @param name the name of the including resource or include, for the message.
 * @throws DeclarationError for a column that is not there, an owner without access, and more than three levels.
 */
export function compileIncludes(name: string, { schema, table, include = {} }: Including, depth = 1) {
  const compiled = new Map<string, CompiledInclude>()
  const here = columnsOf(table)
  for (const [key, one] of Object.entries(include)) {
    const refuse = (what: string) => new DeclarationError(`${name}: include '${key}' ${what}`)
    const need = (columns: Columns, column: string) => {
      if (!columns[column]) throw refuse(`has no column '${column}'`)
      return columns[column]
    }
    if (depth > DEEPEST) throw refuse(`is deeper than ${DEEPEST} levels`)
    const isAlways = key in schema.properties
    if (one.owner && !one.access?.includes(':')) throw refuse('has an owner, and no access that names a scope')
    if (isAlways && one.access) throw refuse('is a field that is always there, so it cannot have access of its own')
    const there = columnsOf(one.table)
    const pointing = one.through ? columnsOf(one.through.table) : one.many ? there : here
    const by = need(pointing, one.by)
    if (one.many) need(here, 'id')
    if (one.owner) need(there, one.owner)
    if (one.sort) need(there, one.sort)
    if (one.through) need(pointing, one.through.to)
    const includes = compileIncludes(`${name}.${key}`, one, depth + 1)
    const fields = Object.keys(variantsOf(one.schema).Response.properties)
      .filter((field) => !includes.has(field))
      .map((field) => {
        const schema = one.schema.properties[field] as TSchema
        return { path: [field], source: mappedSource(need(there, field), schema) }
      })
    const selection: Selection = {
      ...select(fields),
      ...pointers(includes, there),
      ...(one.through && { '@through': need(there, 'id') }),
      [OWN_KEY]: one.many ? by : need(there, 'id')
    }
    compiled.set(key, { ...one, selection, isAlways, includes })
  }
  return compiled
}

/** The columns that includes are looked up by, also where the wire does not show them. */
export function pointers(includes: Map<string, CompiledInclude>, columns: Columns): Selection {
  return Object.fromEntries(
    [...includes].map(([key, include]) => [pointerName(key), columns[include.many ? 'id' : include.by] as AnyPgColumn])
  )
}

/** The fields that includes add to an answer, or change in it: those that are always there and have includes inside. */
export function includedFields(includes: Map<string, CompiledInclude>): [name: string, schema: TSchema][] {
  return [...includes].flatMap(([key, include]): [string, TSchema][] => {
    if (!include.isAlways) return [[key, Type.Optional(includeSchema(include))]]
    return include.includes.size > 0 ? [[key, includeSchema(include)]] : []
  })
}

/** Every path that `include` may name: `category`, `lines.product`. */
export function includePaths(includes: Map<string, CompiledInclude>, prefix = ''): string[] {
  return [...includes].flatMap(([key, include]) => [
    ...(include.isAlways ? [] : [prefix + key]),
    ...includePaths(include.includes, `${prefix}${key}.`)
  ])
}

/** Whether an include needs more than read access to the resource. */
export const isGuarded = (includes: Map<string, CompiledInclude>): boolean =>
  [...includes.values()].some((include) => include.access !== undefined || isGuarded(include.includes))

function includeSchema({ schema, many, includes }: CompiledInclude): TSchema {
  const { Response } = variantsOf(schema)
  const inner = includedFields(includes)
  const name =
    inner.length > 0
      ? `${schema.$id}With${inner.map(([key]) => key.replace(/^./, (a) => a.toUpperCase())).join('')}`
      : undefined
  const one = name
    ? Type.Object(
        { ...Response.properties, ...Object.fromEntries(inner) },
        { ...Response, properties: undefined, required: undefined, $id: name, title: name }
      )
    : // What it is called, it also is as a resource of its own; what that can include besides is left out here.
      { ...Response, 'x-included': true }
  if (many) return Type.Array(one)
  // A list of types is serialized directly; a union would be validated to find its branch.
  return documentedAs({ ...Nullable(one), $id: undefined }, Type.Union([one, Type.Null()]))
}
