import type { TSchema } from '@sinclair/typebox'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { bare } from '#src/schema/fields.ts'
import { DeclarationError } from '../model.ts'
import type { ColumnType, JsonType } from '../types/column-type.ts'

/**
 * Checks that a field can be kept in its column.
 * @param where names the field, for the message.
 * @throws DeclarationError naming what to do, for a schema of another type, and for a generated column that can be sent.
 */
export function checkType(where: string, schema: TSchema, column: AnyPgColumn, type: ColumnType): void {
  const json = jsonTypeOf(schema)
  if (json !== 'any' && !type.wire.includes(json)) {
    throw new DeclarationError(
      `${where} is ${json}, and its column ${type.name}: declare it as ${type.wire.join(' or ')}`
    )
  }
  if (isGenerated(column) && !schema.readOnly) {
    throw new DeclarationError(`${where} has a column that the database generates: declare it as ReadOnly(…)`)
  }
}

const isGenerated = ({ generated, generatedIdentity }: AnyPgColumn) =>
  generated !== undefined || generatedIdentity?.type === 'always'

/** The JSON type that a schema declares: of literals the type of the first. */
export function jsonTypeOf(schema: TSchema): JsonType {
  const { type, anyOf, enum: values, const: value } = bare(schema)
  if (type) return type
  if (anyOf) return jsonTypeOf(anyOf[0])
  const one = values?.[0] ?? value
  if (typeof one === 'number') return Number.isInteger(one) ? 'integer' : 'number'
  return one === undefined ? 'any' : (typeof one as JsonType)
}
