import type { TSchema } from '@sinclair/typebox'
import { stringify } from 'csv-stringify/sync'
import { type ApiError, type Fault, validationFailed } from '../../errors.ts'
import { coerce } from '../../schema/coerce.ts'
import { bare, isNullable } from '../../schema/fields.ts'
import { parseJson } from '../../schema/json/parse.ts'
import { pointer } from '../../schema/pointer.ts'
import { jsonTypeOf } from '../compile/check-types.ts'

/** One column of a CSV: a field, with a dot into an object. */
export interface CsvColumn {
  name: string
  path: string[]
  schema: TSchema
}

/** The columns of an object: one for each field, and for each field of the objects inside. Lists, and objects
 * of any names, are one column. */
export function csvColumns(properties: Record<string, TSchema>, above: string[] = []): CsvColumn[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const path = [...above, name]
    return schema.type === 'object' && schema.properties
      ? csvColumns(schema.properties, path)
      : [{ name: path.join('.'), path, schema }]
  })
}

/** The header row. */
export const csvHeader = (columns: CsvColumn[]): string => stringify([columns.map(({ name }) => name)])

/** Rows as CSV (RFC 4180, lines ending in \n). Null is an empty cell, an empty text a quoted one, a list is JSON. */
export function toCsv(columns: CsvColumn[], rows: object[]): string {
  const cells = rows.map((row) => columns.map(({ path, schema }) => cellOf(path.reduce<unknown>(step, row), schema)))
  return stringify(cells, { cast: { string: quoteEmpty } })
}

const quoteEmpty = (value: string) => (value === '' ? { value, quoted_empty: true } : value)

const step = (value: unknown, name: string) => (value as Record<string, unknown>)[name]

function cellOf(value: unknown, schema: TSchema): unknown {
  if (value === null) return null
  // A text that may also be a number or a list is told from them by its quotes.
  if (typeof value === 'object' || jsonTypeOf(schema) === 'any') return JSON.stringify(value)
  return typeof value === 'string' ? value : String(value)
}

/** A cell as it was written: whether it was quoted tells an empty text from null. */
export interface Cell {
  text: string
  isQuoted: boolean
}

/**
 * Makes a body of a record: each cell in the type of its column. An empty cell is null where the field takes null, and
 * else left out, so that its default comes in.
 * @throws ApiError VALIDATION_FAILED for cells that are no value of their column.
 */
export function fromCsv(columns: CsvColumn[], cells: Cell[], maxValues: number): Record<string, unknown> {
  const body: Record<string, unknown> = {}
  const faults: Fault[] = []
  for (const [index, { path, schema }] of columns.entries()) {
    const { text, isQuoted } = cells[index] as Cell
    const isEmpty = text === '' && !isQuoted
    if (isEmpty && !isNullable(schema)) continue
    const { value, faults: found } = isEmpty ? { value: null } : readValue(text, bare(schema), maxValues)
    if (found) {
      const place = `/${path.map(pointer).join('/')}`
      faults.push(...found.map((fault) => ({ ...fault, path: `${place}${fault.path}` })))
    }
    const holder = path.slice(0, -1).reduce((inner, name) => {
      inner[name] ??= {}
      return inner[name] as Record<string, unknown>
    }, body)
    holder[path.at(-1) as string] = value
  }
  if (faults.length > 0) throw validationFailed(faults)
  return body
}

/** The value of a cell, or its faults with their paths inside of it. */
function readValue(text: string, schema: TSchema, maxValues: number): { value?: unknown; faults?: Fault[] } {
  const type = jsonTypeOf(schema)
  if (type === 'array' || type === 'object' || type === 'any') return readJson(text, maxValues)
  const data = { value: text as unknown }
  const faults = coerce(data, { properties: { value: { type } } })
  return faults.length > 0 ? { faults: faults.map((fault) => ({ ...fault, in: 'body', path: '' })) } : data
}

const NO_JSON = 'must be JSON, a list in brackets, an object in braces or a text in quotes'

/** As strict as a body of JSON. */
function readJson(text: string, maxValues: number): { value?: unknown; faults?: Fault[] } {
  try {
    return { value: parseJson(Buffer.from(text), maxValues) }
  } catch (error) {
    const { faults } = error as ApiError
    return { faults: faults.length > 0 ? faults : [{ in: 'body', path: '', code: 'json', message: NO_JSON }] }
  }
}
