import { Type } from '@sinclair/typebox'
import { columnType, EQUALITY } from './column-type.ts'

/** `text` and `varchar`. */
export const text = columnType({
  name: 'text',
  sqlTypes: ['text', 'varchar'],
  operators: [...EQUALITY, 'like', 'ilike'],
  note: ''
})

/** `char(n)`, which PostgreSQL fills with blanks: they are no part of the value. */
export const char = columnType({
  name: 'char',
  sqlTypes: ['char', 'character', 'bpchar'],
  operators: EQUALITY,
  isNative: false,
  reader: () => (value) => (value as string).replace(/ +$/, ''),
  note: 'The blanks that fill it are not sent, and no pattern is matched with them.'
})

/** `citext`: the same whatever the case of its letters, also where it must be unique. */
export const citext = columnType({
  name: 'citext',
  sqlTypes: ['citext'],
  operators: [...EQUALITY, 'like', 'ilike'],
  note: 'Compared, sorted and unique without regard to case. On PostgreSQL, with its extension `citext`.'
})

/** `uuid`. */
export const uuid = columnType({
  name: 'uuid',
  sqlTypes: ['uuid'],
  operators: EQUALITY,
  hasExtremes: false,
  filter: () => Type.String({ format: 'uuid' }),
  note: ''
})

/** An enum of PostgreSQL, which sorts in the order of its declaration. */
export const enumeration = columnType({
  name: 'enum',
  sqlTypes: [],
  operators: EQUALITY,
  filter: (_schema, { enumValues = [] }) => Type.Unsafe<string>({ type: 'string', enum: enumValues }),
  note: 'Sorts in the order of its declaration.'
})

/** Addresses: `inet` and `cidr`. */
export const inet = columnType({
  name: 'inet',
  sqlTypes: ['inet', 'cidr'],
  filter: () => Type.String({ pattern: '^[0-9A-Fa-f:.]+(/\\d{1,3})?$', maxLength: 50 }),
  note: ''
})
