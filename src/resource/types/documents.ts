import { columnType } from './column-type.ts'

/** `json` and `jsonb`. */
export const json = columnType({
  name: 'jsonb',
  sqlTypes: ['json', 'jsonb'],
  wire: ['object', 'array', 'string', 'number', 'integer', 'boolean', 'any'],
  operators: [],
  isOrdered: false,
  hasExtremes: false,
  isSelectedAsText: true,
  reader: () => (value) => JSON.parse(value as string),
  note: 'Objects, lists or anything.'
})

/** `bytea`: base64. */
export const bytea = columnType({
  name: 'bytea',
  sqlTypes: ['bytea'],
  operators: [],
  isOrdered: false,
  hasExtremes: false,
  reader: () => (value) =>
    (typeof value === 'string' ? Buffer.from(value.slice(2), 'hex') : Buffer.from(value as Uint8Array)).toString(
      'base64'
    ),
  store: () => (value) => `\\x${Buffer.from(value as string, 'base64').toString('hex')}`,
  note: 'Base64.'
})
