import type { Static, TObject } from '@sinclair/typebox'
import type { SQL } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import type { FastifyInstance } from 'fastify'
import type { ResourceTable } from '../db/columns.ts'
import type { Database, Transaction } from '../db/database.ts'
import type { ErrorCode } from '../errors.ts'
import type { Cause } from '../events/cause.ts'
import type { Deprecation } from '../http/deprecation.ts'
import type { Principal } from '../identity/principal.ts'
import type { Access } from '../identity/scopes.ts'

/** The operations of a resource. */
export type Verb =
  | 'list'
  | 'aggregate'
  | 'export'
  | 'read'
  | 'create'
  | 'bulkCreate'
  | 'import'
  | 'update'
  | 'bulkUpdate'
  | 'updateWhere'
  | 'replace'
  | 'remove'
  | 'bulkRemove'
  | 'removeWhere'

/** The name of a column of a table, as its property: `ownerId`. A table of any columns has any name. */
// A conditional type, so that the compiler's errors list the names.
export type ColumnName<T extends PgTable> = T extends PgTable ? string & keyof T['$inferSelect'] : never

/** Rows of another table that an answer can carry, loaded with one statement for a whole page. */
export type Include<Here extends PgTable = PgTable, There extends PgTable = PgTable> = IncludedRows<There> &
  // The usual form comes last: it is the one that the compiler's errors are about.
  (
    | {
        /** The column of the table between that refers to this row. */
        by: string
        many: true
        /** The table between two that have many of each other, and its column that refers to the included rows. */
        through: { table: PgTable; to: string }
      }
    | {
        /** The column with the reference: of this table, to one row there; with `many`, of that table, to this row. */
        by: ColumnName<Here> | ColumnName<There>
        many?: true
        through?: undefined
      }
  )

export interface IncludedRows<There extends PgTable = PgTable> {
  table: There
  schema: TObject
  /** The column that `many` rows are sorted by. */
  sort?: ColumnName<There>
  /** The access that the include needs, when read access to the resource is not enough. */
  access?: Access
  /** The column with the owner of an included row: other users do not get the row, as in the list of its resource. */
  owner?: ColumnName<There>
  /** The includes of the included rows, at most three levels deep: `include=lines.product`. */
  include?: Record<string, Include>
}

/** The argument of an operation written by hand. */
export interface Call<Body = unknown> {
  db: Database
  principal: Principal
  body: Body
  /** The id of the row that the path names, when it names one. */
  id: string
  /** The owner of the rows that the caller may touch; undefined for rows of any owner. */
  ownerId: string | undefined
}

/** An operation written by hand. The row that it names is the answer. */
export type Operation<Body = never> = (call: Call<Body>) => Promise<{ id: string }>

/**
 * An operation written by hand that first needs what takes long without the database, such as the answer of another service:
 * it would hold a connection for as long, and the embedded database altogether.
 */
export interface PreparedOperation {
  /** Runs before the transaction begins, and gives what runs in it. */
  prepare: (app: FastifyInstance, body: never) => Promise<Operation>
}

/** A step that a row can take: `POST /<id>/<name>`, answered with the row. */
export interface Action {
  summary: string
  /** The access that the step needs. Default: write access, on the caller's own rows. */
  access?: Access
  /** `all`: a caller with access to the step may take it on every row, also of other owners. */
  rows?: 'all'
  run: Operation
}

/** One row of a change, as a guard sees it. */
export interface Touched {
  /** The id of the stored row, when there is one already. */
  id?: string | undefined
  /** The body that was sent for the row; undefined for a delete. */
  body?: object | undefined
}

/** The argument of a guard, which is called once for a change, however many rows it has. */
export interface GuardCall {
  /** The transaction of the change: rows that the guard locks in it do not change before the change is made. */
  db: Transaction
  principal: Principal
  /** What events of further changes that the guard makes name. */
  cause: Cause
  items: Touched[]
}

/** Reads what a change touches, and gives a function that checks each row: it throws ApiError for a refused row. */
export type Guard = (call: GuardCall) => Promise<(item: Touched) => void>

/**
 * A rule between the fields of a body. It sees the body after validation, with defaults; a patch, merged into its row.
 */
export interface Rule {
  /** The field to name, as a JSON pointer: `/endsAt`. */
  path: string
  code: string
  message: string
  check: (body: never) => boolean
}

/** Takes from rows, which it changes, what their caller may not see; without a caller nothing that depends on one stays. */
export type Withhold = (rows: never[], principal: Principal | null) => Promise<void>

/** The value of a read-only field that no column holds: SQL over the columns of the table, or made from the row. */
export type Computed = SQL | ((row: never) => unknown)

/**
 * A resource, as data. Everything else follows from it. The compiler checks the names of fields, columns and operations
 * by its schema, its table, the tables of its includes and the names of its actions.
 */
export interface Declaration<
  S extends TObject = TObject,
  T extends ResourceTable = ResourceTable,
  I extends Record<string, PgTable> = Record<string, PgTable>,
  A extends string = string
> {
  /** The wire: what callers read and write. Its `$id` names the resource in the OpenAPI document. */
  schema: S
  table: T
  /** The access needed to read (list and read), to write (create, update, replace) and to delete. */
  access: { read: Access; write: Access; delete: Access }
  /**
   * The fields that a list can be filtered by (each typed by its own schema), sorted by, and searched in with `q`. `id`
   * and `updatedAt` are filters too when the schema has them; `alwaysFilter: false` leaves them out.
   */
  list?: { filter?: FieldPath<S>[]; sort?: FieldPath<S>[]; search?: ColumnName<T>[]; alwaysFilter?: false }
  /**
   * The rows of other tables that answers carry on `include=<name>`. An include with the name of a field of the schema
   * is that field, and is always there.
   */
  include?: { [K in keyof I]: Include<T, I[K]> }
  /** The column that holds the user a row belongs to. Others see 404; holders of `<resource>:*` see all. */
  owner?: ColumnName<T>
  /**
   * What happens to the rows of a user when the user is deleted: they are deleted (the default), stay and
   * belong to a nameless user (`anonymize`), or belong to the first administrator (`handOver`). Only with `owner`.
   */
  whenOwnerLeaves?: 'delete' | 'anonymize' | 'handOver'
  /**
   * How long caches may reuse a public answer without revalidation: they show a change that much later. This process
   * caches the answers, too, and drops them when any instance writes a table behind them. The instance that made a
   * change shows it at once, the others within a second. Each write of these tables notifies all instances.
   */
  cache?: { ttlSeconds: number }
  /** Whether a change must name the version that it is based on: 428 without `If-Match`. */
  requireIfMatch?: boolean
  /** The columns of fields with other names: `{ password: 'passwordHash' }`, `{ price: { amount: 'priceCents' } }`. */
  columns?: Record<string, ColumnName<T> | Record<string, ColumnName<T>>>
  /** Functions that convert a field's value before it is stored: `{ password: hashPassword }`. */
  transform?: { [K in keyof Static<S>]?: (value: never) => unknown }
  /** Read-only fields of the schema that are computed instead of stored. */
  computed?: { [K in keyof Static<S>]?: Computed }
  /** Takes from rows what their caller may not see, before they are answered. Exports and events have no caller. */
  withhold?: Withhold
  /** Codes that rules of the resource answer with, by operation or action: its documentation lists them there alone. */
  errors?: Record<string, ErrorCode[]>
  /** The rules between fields. */
  rules?: Rule[]
  /**
   * The unique field, or the fields that are unique together, by which bulk and import recognize a stored row. Not
   * needed when there is only one such key.
   */
  upsert?: FieldPath<S> | FieldPath<S>[]
  /**
   * Changes and deletes over a filter (`PATCH` and `DELETE` of the collection) exist only when this is set. A resource
   * with rules between fields has no changes over a filter.
   */
  bulk?: { byFilter: true }
  /** `false`: each request runs its own statements, instead of sharing them with concurrent requests. */
  batch?: false
  /** Operations that this resource does not have (`false`), or has in its own way. */
  operations?: { [V in Verb]?: V extends 'create' ? false | Operation | PreparedOperation : false }
  /** The announced end of the whole resource, or of single operations by their verb or the name of their action. */
  deprecated?: Deprecation | { [operation: string]: Deprecation }
  /**
   * How long a request may take, by its operation: a verb or the name of an action. After that time its statement is
   * cancelled, and the answer is 503 `DEADLINE_EXCEEDED`. A caller may ask for less with `Request-Timeout`.
   */
  timeoutSeconds?: { [operation in Verb | NoInfer<A>]?: number }
  /** Refuses changes by the rows they touch and by their caller: every change of the resource, single or bulk. */
  guard?: Guard
  /** Called after each change and before its answer, also after a failed one, to update the state of this process. */
  changed?: (app: FastifyInstance) => Promise<unknown>
  /**
   * Whether each change writes an event, in its own transaction. With the verbs of actions: `{ pay: 'paid' }` makes the
   * event of `POST /:id/pay` an `order.paid` instead of an `order.updated`.
   */
  events?: true | Record<string, string>
  /** Steps beyond the usual verbs, by their name in the path. They need the scope to write, or one of their own. */
  actions?: Record<A, Action>
}

/** The name of a field, with a dot into an object: `price.amount`. */
export type FieldPath<S extends TObject> = S extends TObject
  ? (keyof S['properties'] & string) | `${keyof S['properties'] & string}.${string}`
  : never
