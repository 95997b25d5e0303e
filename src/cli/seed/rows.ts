import { randomBytes } from 'node:crypto'
import type { TSchema } from '@sinclair/typebox'
import { getTableName } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { v7 } from 'uuid'
import { copyCell } from '../../db/bulk-load.ts'
import { constraintsOf } from '../../db/constraints.ts'
import { bare, isNullable } from '../../schema/fields.ts'
import { MisuseError } from '../../tools/misuse.ts'
import { Random } from '../../tools/seed/random.ts'
import { type MakeValue, SeedError, valueMaker } from '../../tools/seed/values.ts'
import { type Field, type Resource, referencesOf } from './plan.ts'

/** Which rows to make. */
export interface RowOptions {
  seed: string
  count: number
  /** How many rows the table has. */
  offset: number
  /** The values that each reference may have, by the name of its column in the code. */
  references: Map<string, string[]>
}

/** Rows as COPY takes them. */
export interface MadeRows {
  columns: string[]
  /** @param onRows told how many were made so far. */
  chunks(onRows: (made: number) => void): Iterable<string>
}

// What the rows of a run were made between; their ids begin with the moment.
const [FROM, TO] = [Date.parse('2025-01-01T00:00:00Z'), Date.parse('2026-01-01T00:00:00Z')]
const CHUNK_LENGTH = 65_536
const MAX_TRIES = 100

interface Place {
  random: Random
  /** The number of the row in its table. */
  row: number
  moment: number
}

/** A column, and what makes its value. */
interface Maker {
  column: AnyPgColumn
  make(place: Place): unknown
}

interface FieldMaker extends Maker {
  path: string[]
  /** Converts a value of the wire for the column. */
  convert(value: unknown): unknown
}

/**
 * Works out how the rows of a resource are made: the fields that callers write by their schemas, references from what is
 * there, the rest by the table.
 * @throws MisuseError when a column must have a value and nothing says which, or there is nothing to refer to.
 */
export async function makeRows(resource: Resource, options: RowOptions): Promise<MadeRows> {
  const { seed, count, offset } = options
  const random = new Random(`${seed} ${resource.name} ${offset}`)
  const fields = await fieldMakers(resource, options)
  const others = tableMakers(resource, options, new Set(fields.map(({ column }) => column)))
  const rules = resource.declaration.rules ?? []
  const breaks = (values: unknown[]) => {
    const body = bodyOf(fields, values)
    return rules.some(({ check }) => !check(body as never))
  }

  function valuesOf(place: Place): unknown[] {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const values = fields.map(({ make }) => make(place))
      if (rules.length === 0 || !breaks(values)) return values
    }
    throw new SeedError(`no row of ${resource.name} was found that its rules permit`)
  }

  function lineOf(row: number): string {
    const moment = FROM + Math.floor(((row - offset + random.fraction()) / count) * (TO - FROM))
    const place = { random, row, moment }
    const values = valuesOf(place)
    const cells = [
      ...others.map(({ column, make }) => cellOf(column, make(place))),
      ...fields.map(({ column, convert }, index) => cellOf(column, convert(values[index])))
    ]
    return `${cells.join('\t')}\n`
  }

  return {
    columns: [...others, ...fields].map(({ column }) => column.name),
    *chunks(onRows) {
      let chunk = ''
      for (let row = offset; row < offset + count; row += 1) {
        chunk += lineOf(row)
        if (chunk.length < CHUNK_LENGTH) continue
        onRows(row + 1 - offset)
        yield chunk
        chunk = ''
      }
      yield chunk
    }
  }
}

const isJson = (column: AnyPgColumn) => /^jsonb?$/.test(column.getSQLType())

const cellOf = (column: AnyPgColumn, value: unknown) =>
  copyCell(isJson(column) && value !== null ? JSON.stringify(value) : value)

function bodyOf(fields: FieldMaker[], values: unknown[]): object {
  const body: Record<string, unknown> = {}
  for (const [index, { path }] of fields.entries()) {
    let place = body
    for (const step of path.slice(0, -1)) {
      place[step] ??= {}
      place = place[step] as Record<string, unknown>
    }
    place[path.at(-1) as string] = values[index]
  }
  return body
}

async function fieldMakers(resource: Resource, options: RowOptions): Promise<FieldMaker[]> {
  const { seed, references } = options
  const { name, fields, declaration } = resource
  const mark = new Random(seed).next().toString(36).slice(0, 3)
  const unique = uniqueKeys(resource, references)
  const transforms = (declaration.transform ?? {}) as Record<string, (value: unknown) => unknown>
  const makers: FieldMaker[] = []
  for (const field of fields.values()) {
    const { path, schema, column, key, store } = field
    if (declaration.schema.properties[path[0] as string]?.readOnly || schema.readOnly) continue
    const last = path.at(-1) as string
    const pool = references.get(key)
    // A secret is no value that another run of the same seed could tell.
    if (schema.writeOnly) {
      const secret = randomBytes(15).toString('base64url')
      const stored = await (transforms[field.name]?.(secret) ?? secret)
      makers.push({ path, column, make: () => secret, convert: () => stored })
      continue
    }
    const accepts = (value: unknown) => {
      try {
        store?.(value)
        // Null is for a column that takes it.
        return value !== null
      } catch {
        return false
      }
    }
    const make: MakeValue = pool
      ? referenceMaker(resource, key, { pool, options, usual: schema.default })
      : valueMaker({ resource: name, name: last, schema: schemaFor(field), isUnique: unique.has(key), accepts, mark })
    const transform = transforms[field.name]
    const convert = (value: unknown) => {
      if (value === null) return null
      const given = transform ? transform(value) : value
      return store ? store(given) : given
    }
    makers.push({ path, column, make: ({ random, row }) => make(random, row), convert })
  }
  return makers
}

// A schema of any text says less than its column: what a filter of that column takes is what it can hold.
function schemaFor({ schema, column, type }: Field) {
  const { length } = column as { length?: number }
  const narrowed = (one: TSchema): TSchema => {
    if (one.type === 'array') return { ...one, items: narrowed(one.items) }
    const isAnyText = one.type === 'string' && !one.format && !one.pattern && !one.enum
    return isAnyText ? { ...one, ...type.filter(one, column), ...(length && { maxLength: length }) } : one
  }
  const known = narrowed(bare(schema))
  return {
    ...(isNullable(schema) ? { anyOf: [known, { type: 'null' }] } : known),
    ...(schema.default !== undefined && { default: schema.default })
  } as never
}

/** The columns with values that no two rows share. Of several that are unique together one that is no reference is enough. */
function uniqueKeys({ table, fields }: Resource, references: Map<string, string[]>): Set<string> {
  const written = new Set([...fields.values()].filter(({ schema }) => !schema.readOnly).map(({ key }) => key))
  const keys = new Set<string>()
  for (const { kind, columns } of constraintsOf(table).values()) {
    const one = columns.find((key) => written.has(key) && !references.has(key))
    if (kind === 'unique' && one !== undefined) keys.add(one)
  }
  return keys
}

interface Reference {
  pool: string[]
  options: RowOptions
  /** The value of most rows. */
  usual?: unknown
}

const NULLS = 0.05

function referenceMaker(resource: Resource, key: string, { pool, options, usual }: Reference): MakeValue {
  const { notNull, name } = resource.columns[key] as AnyPgColumn
  const together = [...constraintsOf(resource.table).values()].find(
    ({ kind, columns }) =>
      kind === 'unique' && columns.includes(key) && columns.every((one) => options.references.has(one))
  )
  if (pool.length === 0) {
    if (notNull) throw new MisuseError(`${resource.name} need rows that ${name} refers to, and there are none`)
    return () => null
  }
  if (typeof usual === 'string' && pool.includes(usual)) return () => usual
  if (!together) return (random) => (!notNull && random.happens(NULLS) ? null : random.pick(pool))
  // Each row has the next combination.
  let [divisor, all] = [1, 1]
  for (const one of together.columns) {
    if (one === key) divisor = all
    all *= (options.references.get(one) as string[]).length
  }
  if (options.offset + options.count > all)
    throw new MisuseError(`${resource.name} can have no more than ${all} rows: their references are unique together`)
  return (_random, row) => pool[Math.floor(row / divisor) % pool.length] as string
}

/** The columns that no field of a body sets. */
function tableMakers(resource: Resource, options: RowOptions, written: Set<AnyPgColumn>): Maker[] {
  return Object.entries(resource.columns).flatMap(([key, column]): Maker[] => {
    if (written.has(column) || column.generated || key === 'version') return []
    if (key === 'id') return [{ column, make: ({ random, moment }) => v7({ msecs: moment, random: random.bytes(16) }) }]
    if (key === 'createdAt' || key === 'updatedAt')
      return [{ column, make: ({ moment }) => new Date(moment).toISOString() }]
    const pool = options.references.get(key)
    if (pool) {
      const make = referenceMaker(resource, key, { pool, options })
      return [{ column, make: ({ random, row }) => make(random, row) }]
    }
    if (column.defaultFn) return [{ column, make: column.defaultFn }]
    if (column.hasDefault || !column.notNull) return []
    throw new MisuseError(
      `${resource.name} cannot be seeded: no field of theirs says what is in ${getTableName(resource.table)}.${column.name}`
    )
  })
}

/** The references of a resource, with the number of values that each should have to choose from. */
export const poolsOf = (resource: Resource, rows: number) =>
  referencesOf(resource).map((one) => ({ ...one, limit: Math.max(rows, 10_000) }))
