import { type TSchema, Type } from '@sinclair/typebox'
import { type SQL, sql } from 'drizzle-orm'
import * as pg from 'drizzle-orm/pg-core'
import { resourceColumns, timestamp } from '#src/db/columns.ts'
import type { Declaration } from '#src/resource/declaration.ts'
import { Id, Nullable, Timestamp } from '#src/schema/fields.ts'

/** One row of the matrix: a type of column, the schema of its field, and answered values in ascending order. */
export interface Kind {
  key: string
  /** The type as SQL. */
  ddl: SQL
  column: (name: string) => object
  schema: TSchema
  values: unknown[]
  /** The values to send, where they differ. */
  sent?: unknown[]
}

const Json = () => Type.Unknown({ 'x-any-shape': 'The matrix keeps anything.' })
export const size = pg.pgEnum('kind_size', ['small', 'medium', 'large'])
const id = (last: string) => `0192f0c1-2345-7abc-8def-01234567890${last}`
const DAY = '2026-01-31'

export const kinds: Kind[] = [
  { key: 'text', ddl: sql`text`, column: pg.text, schema: Type.String(), values: ['', 'a,"b"\\c', 'gamma'] },
  {
    key: 'varchar',
    ddl: sql`varchar(20)`,
    column: (n) => pg.varchar(n, { length: 20 }),
    schema: Type.String({ maxLength: 20 }),
    values: ['a', 'b', 'c']
  },
  {
    key: 'char',
    ddl: sql`char(5)`,
    column: (n) => pg.char(n, { length: 5 }),
    schema: Type.String(),
    values: ['a', 'bb', 'ccccc']
  },
  {
    key: 'union',
    ddl: sql`text`,
    column: pg.text,
    schema: Type.Union([Type.Literal('a'), Type.Literal('b'), Type.Literal('c')]),
    values: ['a', 'b', 'c']
  },
  { key: 'integer', ddl: sql`integer`, column: pg.integer, schema: Type.Integer(), values: [-5, 0, 2_147_483_647] },
  { key: 'smallint', ddl: sql`smallint`, column: pg.smallint, schema: Type.Integer(), values: [-5, 0, 32_767] },
  {
    key: 'bigint',
    ddl: sql`bigint`,
    column: (n) => pg.bigint(n, { mode: 'number' }),
    schema: Type.Integer(),
    values: [-9_007_199_254_740_991, 0, 9_007_199_254_740_991]
  },
  {
    key: 'bigtext',
    ddl: sql`bigint`,
    column: (n) => pg.bigint(n, { mode: 'bigint' }),
    schema: Type.String({ pattern: '^-?\\d+$' }),
    values: ['-9007199254740993', '7', '9223372036854775807']
  },
  {
    key: 'numeric',
    ddl: sql`numeric(30, 5)`,
    column: (n) => pg.numeric(n, { precision: 30, scale: 5 }),
    schema: Type.String(),
    values: ['-1.50000', '0.10000', '12345678901234567890.12345']
  },
  {
    key: 'decimal',
    ddl: sql`numeric`,
    column: (n) => pg.numeric(n),
    schema: Type.Number(),
    values: [-1.5, 1e-7, 12.25]
  },
  { key: 'real', ddl: sql`real`, column: pg.real, schema: Type.Number(), values: [-1.5, 1e-7, 0.1] },
  {
    key: 'double',
    ddl: sql`double precision`,
    column: pg.doublePrecision,
    schema: Type.Number(),
    values: [-1.5, 1e-7, 12_345.678]
  },
  { key: 'boolean', ddl: sql`boolean`, column: pg.boolean, schema: Type.Boolean(), values: [false, true] },
  {
    key: 'uuid',
    ddl: sql`uuid`,
    column: pg.uuid,
    schema: Type.String({ format: 'uuid' }),
    values: [id('1'), id('2'), id('3')]
  },
  {
    key: 'date',
    ddl: sql`date`,
    column: (n) => pg.date(n),
    schema: Type.String({ format: 'date' }),
    values: ['1969-12-31', DAY, '9999-12-31']
  },
  {
    key: 'datedate',
    ddl: sql`date`,
    column: (n) => pg.date(n, { mode: 'date' }),
    schema: Type.String({ format: 'date' }),
    values: ['1969-12-31', DAY, '9999-12-31']
  },
  {
    key: 'time',
    ddl: sql`time(3)`,
    column: (n) => pg.time(n, { precision: 3 }),
    schema: Type.String(),
    values: ['00:00:00', '09:30:00.5', '23:59:59.999'],
    sent: ['00:00:00', '09:30:00.5', '23:59:59.9999']
  },
  {
    key: 'timestamp',
    ddl: sql`timestamp`,
    column: (n) => pg.timestamp(n),
    schema: Timestamp(),
    values: [`${DAY}T09:30:00.000Z`, `${DAY}T09:30:00.000001Z`, `${DAY}T09:30:00.000002Z`],
    sent: [`${DAY}T11:30:00+02:00`, `${DAY}T04:30:00.0000019-05:00`, `${DAY}T09:30:00.000002Z`]
  },
  {
    key: 'timestamptz',
    ddl: sql`timestamptz`,
    column: (n) => pg.timestamp(n, { withTimezone: true }),
    schema: Timestamp(),
    values: [`${DAY}T09:30:00.100Z`, `${DAY}T09:30:00.100001Z`, '9999-12-31T23:59:59.999999Z'],
    sent: [`${DAY}T11:30:00.1+02:00`, `${DAY}T09:30:00.100001Z`, '9999-12-31T23:59:59.999999999Z']
  },
  {
    key: 'moment',
    ddl: sql`timestamptz(3)`,
    column: (n) => timestamp(n),
    schema: Timestamp(),
    values: [`${DAY}T09:30:00.000Z`, `${DAY}T09:30:00.001Z`, `${DAY}T23:59:59.999Z`],
    sent: [`${DAY}T09:30:00Z`, `${DAY}T09:30:00.001Z`, `${DAY}T23:59:59.9996Z`]
  },
  {
    key: 'interval',
    ddl: sql`interval`,
    column: (n) => pg.interval(n),
    schema: Type.String(),
    values: ['PT-1.5S', 'PT2H30M', 'P1Y2M3DT4H']
  },
  {
    key: 'enum',
    ddl: sql`kind_size`,
    column: (n) => size(n),
    schema: Type.Union([Type.Literal('small'), Type.Literal('medium'), Type.Literal('large')]),
    values: ['small', 'medium', 'large']
  },
  {
    key: 'inet',
    ddl: sql`inet`,
    column: pg.inet,
    schema: Type.String(),
    values: ['10.0.0.2/24', '10.0.0.1', '2001:db8::1']
  },
  {
    key: 'cidr',
    ddl: sql`cidr`,
    column: pg.cidr,
    schema: Type.String(),
    values: ['10.0.0.0/24', '10.0.1.0/24', '2001:db8::/32']
  },
  {
    key: 'record',
    ddl: sql`jsonb`,
    column: (n) => pg.jsonb(n),
    schema: Type.Record(Type.String(), Type.String(), { 'x-any-shape': 'As above.' }),
    values: [{}, { a: 'b' }, { c: 'd,"e"' }]
  },
  {
    key: 'object',
    ddl: sql`jsonb`,
    column: (n) => pg.jsonb(n),
    schema: Type.Object({ zip: Type.String(), floor: Type.Integer() }, { additionalProperties: false }),
    values: [
      { zip: '1', floor: 1 },
      { zip: '2', floor: 0 }
    ]
  },
  {
    key: 'anything',
    ddl: sql`jsonb`,
    column: (n) => pg.jsonb(n),
    schema: Json(),
    values: ['"text"', [1, 'a', null], { deep: { a: [1] } }, 5, false]
  },
  { key: 'json', ddl: sql`json`, column: (n) => pg.json(n), schema: Json(), values: ['x', { b: 1, a: 2 }] },
  {
    key: 'bytea',
    ddl: sql`bytea`,
    column: (n) => pg.customType<{ data: string }>({ dataType: () => 'bytea' })(n),
    schema: Type.String({ contentEncoding: 'base64' }),
    values: ['', 'AAEC', '//79']
  },
  {
    key: 'texts',
    ddl: sql`text[]`,
    column: (n) => pg.text(n).array(),
    schema: Type.Array(Type.String()),
    values: [[], ['a,b', '"\\'], ['NULL', '']]
  },
  {
    key: 'integers',
    ddl: sql`integer[]`,
    column: (n) => pg.integer(n).array(),
    schema: Type.Array(Type.Integer()),
    values: [[1, 2], [3], []]
  },
  {
    key: 'numerics',
    ddl: sql`numeric[]`,
    column: (n) => pg.numeric(n).array(),
    schema: Type.Array(Type.String()),
    values: [['1.10'], ['12345678901234567890.5', '2']]
  },
  {
    key: 'booleans',
    ddl: sql`boolean[]`,
    column: (n) => pg.boolean(n).array(),
    schema: Type.Array(Type.Boolean()),
    values: [[true, false], [true]]
  },
  {
    key: 'moments',
    ddl: sql`timestamp[]`,
    column: (n) => pg.timestamp(n).array(),
    schema: Type.Array(Timestamp()),
    values: [[`${DAY}T09:30:00.000Z`], [`${DAY}T09:30:00.000001Z`]],
    sent: [[`${DAY}T11:30:00+02:00`], [`${DAY}T09:30:00.000001Z`]]
  },
  {
    key: 'sizes',
    ddl: sql`kind_size[]`,
    column: (n) => size(n).array(),
    schema: Type.Array(Type.String()),
    values: [['small', 'large'], ['medium']]
  },
  {
    key: 'grid',
    ddl: sql`integer[][]`,
    column: (n) => pg.integer(n).array().array(),
    schema: Type.Array(Type.Array(Type.Integer())),
    values: [
      [
        [1, 2],
        [3, 4]
      ],
      []
    ]
  },
  {
    key: 'range',
    ddl: sql`int4range`,
    column: (n) => pg.customType<{ data: string }>({ dataType: () => 'int4range' })(n),
    schema: Type.String(),
    values: ['empty', '[1,5)']
  }
]

/** The resource of a kind: its value, a nullable one, and an include under a name that the server uses itself. */
export function declare({ key, column, schema }: Kind, list: Declaration['list'] = {}): Declaration {
  const table = pg.pgTable(`kind_${key}`, {
    ...resourceColumns(),
    value: (column('value') as { notNull: () => object }).notNull(),
    maybe: column('maybe')
  } as never)
  const name = `Kind${key.replace(/^./, (first) => first.toUpperCase())}`
  const Schema = Type.Object({ id: Id(), value: schema, maybe: Nullable(schema) }, { $id: name, title: name })
  return {
    schema: Schema,
    table: table as never,
    access: { read: 'public', write: 'kinds:write', delete: 'kinds:delete' },
    list: list as never,
    include: { version: { table, by: 'id', schema: Schema } }
  }
}

/** The statement that makes its table. */
export const ddlOf = ({ key, ddl }: Kind): SQL => sql`
  create table ${sql.identifier(`kind_${key}`)} (id uuid primary key, created_at timestamptz(3) not null default now(),
    updated_at timestamptz(3) not null default now(), version integer not null default 1, value ${ddl} not null, maybe ${ddl})`
