import { type TSchema, Type } from '@sinclair/typebox'
import { type Fault, validationFailed } from '../../errors.ts'
import { Personal } from '../../schema/fields.ts'
import { compileValidator } from '../../schema/validate.ts'
import type { Resource } from '../model.ts'
import { type Condition, filterParameters, type ListFilter, parseFilters } from './filter.ts'
import { orParameter, parseGroup } from './or.ts'
import { searchParameter } from './search.ts'

const MAX_CONDITIONS = 20

/** The query parameters that choose rows: filters, `or` where there are any, `q` where a search is declared. */
export function conditionParameters(resource: Resource): Record<string, TSchema> {
  const filters = filterParameters(resource)
  // Both can hold a value of any field.
  const isPersonal = [...resource.fields.values()].some(({ schema }) => schema['x-personal'])
  return {
    ...(resource.declaration.list?.search && { q: isPersonal ? Personal(searchParameter) : searchParameter }),
    ...(Object.keys(filters).length > 0 && { or: isPersonal ? Personal(orParameter) : orParameter }),
    ...filters
  }
}

/** What chooses rows in a validated query. */
export type ConditionQuery = { q?: string; or?: string | string[]; [filter: string]: unknown }

/**
 * Makes what reads the conditions of a query: the filters, and those inside `or`, which are checked like filters.
 * It throws ApiError VALIDATION_FAILED for a group that cannot be read, and for more than 20 conditions.
 */
export function makeParseConditions(resource: Resource) {
  const filters = filterParameters(resource)
  const parameters = Object.keys(filters)
  const validate = compileValidator(Type.Object(filters, { additionalProperties: false }), 'querystring')

  function parseWritten([parameter, value]: [string, string | string[]]): Condition {
    // A list stands in brackets here, so one value is one, whatever commas it has.
    const query = { [parameter]: filters[parameter]?.type === 'array' ? [value].flat() : value }
    const valid = validate(query)
    if (valid !== true)
      throw validationFailed(valid.error.faults.map((fault) => ({ ...fault, path: `/or${fault.path}` })))
    return parseFilters(resource, [parameter], query)[0] as Condition
  }

  return function parseConditions(query: ConditionQuery, ownerId: string | undefined): ListFilter {
    const conditions = parseFilters(resource, parameters, query)
    const groups = [query.or ?? []].flat().map((text) => parseGroup(text).map((all) => all.map(parseWritten)))
    if (conditions.length + groups.flat(2).length > MAX_CONDITIONS) throw validationFailed([TOO_MANY])
    return { conditions, groups, q: query.q, ownerId }
  }
}

const TOO_MANY: Fault = {
  in: 'query',
  path: '',
  code: 'maxFilters',
  message: `must not have more than ${MAX_CONDITIONS} filters`
}
