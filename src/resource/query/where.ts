import { type TObject, Type } from '@sinclair/typebox'
import type { SQL } from 'drizzle-orm'
import { ApiError, validationFailed } from '../../errors.ts'
import type { Resource } from '../model.ts'
import { type ConditionQuery, conditionParameters, makeParseConditions } from './conditions.ts'
import { filterSql } from './filter.ts'

/** The query of a change over a filter: the conditions, and how many rows it may touch. */
export type WhereQuery = ConditionQuery & { 'max-affected': number }

/** Its parameters. */
export function whereParameters(resource: Resource): TObject {
  return Type.Object(
    {
      'max-affected': Type.Integer({
        minimum: 0,
        maximum: 100_000,
        description: 'How many rows may match: when there are more, nothing is changed (409).'
      }),
      ...conditionParameters(resource)
    },
    { additionalProperties: false }
  )
}

/**
 * Makes the function that turns such a query into a condition. It throws ApiError VALIDATION_FAILED for a query without
 * any condition: a missing filter never means all rows.
 */
export function makeParseWhere(resource: Resource) {
  const parseConditions = makeParseConditions(resource)
  return function parseWhere(query: WhereQuery, ownerId: string | undefined): SQL {
    const filter = parseConditions(query, ownerId)
    if (filter.nodes.length === 0 && filter.q === undefined) {
      throw validationFailed([{ in: 'query', path: '', code: 'required', message: 'must have a filter' }])
    }
    return filterSql(resource, filter, (_name, value) => value) as SQL
  }
}

/** The refusal of a change that would touch more rows than it may. */
export function tooManyAffected(matched: number, most: number): ApiError {
  return new ApiError('TOO_MANY_AFFECTED', `${matched} rows match, and max-affected is ${most}. Nothing was changed.`, {
    facts: { matched, maxAffected: most }
  })
}

/** The answer of a change over a filter. */
export const Affected = Type.Object(
  { affected: Type.Integer({ description: 'How many rows were changed.', examples: [3] }) },
  { $id: 'Affected', title: 'Affected', additionalProperties: false }
)
