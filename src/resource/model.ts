import type { TObject, TSchema } from '@sinclair/typebox'
import type { SQL } from 'drizzle-orm'
import type { AnyPgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { Fault } from '../errors.ts'
import type { Cause } from '../events/cause.ts'
import type { Precondition } from '../http/conditional.ts'
import type { compileValidator } from '../schema/validate.ts'
import type { Variants } from '../schema/variants.ts'
import type { Declaration, IncludedRows } from './declaration.ts'
import type { ColumnType } from './types/column-type.ts'

/** One value of the wire and the column that holds it. */
export interface Field {
  /** The name on the wire, with a dot into an object: `price.amount`. */
  name: string
  path: string[]
  schema: TSchema
  column: AnyPgColumn
  /** The name of the column in the table object. */
  key: string
  isNullable: boolean
  /** What its column's type means. */
  type: ColumnType
  /**
   * Converts a value for its column, when the column does not hold the value as it is.
   * @throws ApiError VALIDATION_FAILED naming the field, when the column cannot hold it.
   */
  store?: ((value: unknown) => unknown) | undefined
}

/** Where a value is selected from. */
export type Source = AnyPgColumn | SQL

/** A field that holds a JSON object in one column: a patch is merged into it (RFC 7396). */
export interface JsonField {
  field: Field
  /** Checks a body with only the merged value. */
  validate: ReturnType<typeof compileValidator>
}

/** A drizzle selection in the shape of the wire. */
export type Selection = { [name: string]: AnyPgColumn | SQL | Selection }

/** A declared include, with everything that is needed to load it. */
export interface CompiledInclude extends IncludedRows {
  by: string
  many?: true | undefined
  through?: { table: PgTable; to: string } | undefined
  selection: Selection
  isAlways: boolean
  /** The includes of the included rows. */
  includes: Map<string, CompiledInclude>
}

/** A checked declaration, with everything that follows from it computed once. */
export interface Resource {
  name: string
  /** For sentences: `a product`. */
  noun: string
  declaration: Declaration
  table: PgTable
  fields: Map<string, Field>
  columns: Record<string, AnyPgColumn>
  /** The selected columns in the shape of the wire, and under `@…` names the values that only the server needs. */
  selection: Selection
  /** How the rows of answers are read. */
  stored: StoredRow
  /** Whether a row is sent as it was read: nothing is added to it without a request for it. */
  isPlain: boolean
  includes: Map<string, CompiledInclude>
  /** Columns that get their value here for a new row, by their key in the table object: the id. */
  made: [key: string, make: () => unknown][]
  /** Computed fields that are made from the row. */
  computed: [name: string, from: (row: object) => unknown][]
  /** Fields that hold a JSON object in one column. */
  json: JsonField[]
  variants: Variants
  /** The schema of one answer: the response variant and what `include` may add. */
  answer: TObject
  /** The text of one answer. */
  serialize: (row: unknown) => string
  /** The fault that a violated constraint of the table is reported as, by the constraint's name. */
  faults: Map<string, Fault>
}

/** A declaration that cannot work. It stops the start; the message names the resource and the field. */
export class DeclarationError extends Error {
  override name = 'DeclarationError'
}

/** The names under which a selected row carries what the server needs and never sends. */
export const VERSION = '@version'

export const OWN_KEY = '@key'

/** The name of an include's key in a selected row. It differs from the names above, whatever the include is called. */
export const pointerName = (include: string) => `@include.${include}`

/** Makes a selection in the shape of the wire from the place of each column in it. */
export function select(fields: Iterable<{ path: string[]; source: Source }>): Selection {
  const selection: Selection = {}
  for (const { path, source } of fields) {
    let place = selection
    for (const step of path.slice(0, -1)) {
      place[step] ??= {}
      place = place[step] as Selection
    }
    place[path.at(-1) as string] = source
  }
  return selection
}

/** A selected row: the wire's fields, and under `@…` names the values that only the server needs. */
export type Row = Record<string, unknown> & { id: string; '@version': number; '@key'?: unknown }

/** A row as it was read. Requests may share it, so it is never changed. */
export interface Stored extends Record<string, unknown> {
  /** The fields of the answer. */
  wire: Readonly<Wire>
  '@version': number
  /** The id. */
  '@key': string
  /** The id of the row's owner, when the rows of the resource have owners. */
  '@owner'?: string
}

/** The selected columns of a row, and how they are read. */
export interface StoredRow {
  /** The columns of the answer. */
  wire: Record<string, Source>
  readWire: (values: readonly unknown[]) => Wire
  /** The same columns, followed by those that only the server needs. */
  selection: Record<string, Source>
  read: (values: readonly unknown[]) => Stored
}

/** A row in one object, for code that adds to it. */
export const openRow = ({ wire, ...server }: Stored): Row => ({ ...wire, ...server }) as Row

/** The fields of a row that a caller reads. */
export type Wire = Record<string, unknown>

/** A row by the names of its columns in the table object. */
export type Columns = Record<string, unknown>

/** The one row that a change is meant for. */
export interface One {
  id: string
  /** The required owner of the row; undefined for any owner. */
  ownerId: string | undefined
  /** The version that it must have. */
  precondition: Precondition | undefined
  /** What its event names; undefined for a resource without events. */
  cause?: Cause | undefined
}

/** A new row, and what its event names. */
export interface NewRow {
  values: Columns
  /** Undefined for a resource without events. */
  cause: Cause | undefined
}

/** A change of one row: the columns that it sets. */
export interface Change {
  one: One
  values: Columns
}
