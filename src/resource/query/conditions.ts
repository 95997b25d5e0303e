import { type TSchema, Type } from '@sinclair/typebox'
import { type Fault, validationFailed } from '../../errors.ts'
import { Personal } from '../../schema/fields.ts'
import { compileValidator } from '../../schema/validate.ts'
import type { Resource } from '../model.ts'
import {
  type Condition,
  conditionsOf,
  filterParameters,
  type Group,
  type ListFilter,
  type Node,
  parseFilters
} from './filter.ts'
import { groupParameters, JOINS, type Join, parseGroup, type Written, type WrittenGroup } from './groups.ts'
import { searchParameter } from './search.ts'

const MAX_CONDITIONS = 20

/** The query parameters that choose rows: filters, groups where there are any, `q` where a search is declared. */
export function conditionParameters(resource: Resource): Record<string, TSchema> {
  const filters = filterParameters(resource)
  // They can hold a value of any field.
  const isPersonal = [...resource.fields.values()].some(({ schema }) => schema['x-personal'])
  const open = (schema: TSchema) => (isPersonal ? Personal(schema) : schema)
  const groups = JOINS.map((join) => [join, open(groupParameters[join])])
  return {
    ...(resource.declaration.list?.search && { q: open(searchParameter) }),
    ...(Object.keys(filters).length > 0 && Object.fromEntries(groups)),
    ...filters
  }
}

/** The conditions of a validated query. */
export type ConditionQuery = { q?: string; [filter: string]: unknown } & { [J in Join]?: string | string[] }

/**
 * Makes the reader of a query's conditions: the filters, and those inside groups, which are checked like filters.
 * It throws ApiError VALIDATION_FAILED for a group that cannot be read, and for more than 20 conditions.
 */
export function makeParseConditions(resource: Resource) {
  const filters = filterParameters(resource)
  const parameters = Object.keys(filters)
  const validate = compileValidator(Type.Object(filters, { additionalProperties: false }), 'querystring')

  function parseWritten(join: Join, { parameter, value }: Written): Condition {
    // A list stands in brackets here, so one value is one, whatever commas it has.
    const query = { [parameter]: filters[parameter]?.type === 'array' ? [value].flat() : value }
    const valid = validate(query)
    if (valid !== true)
      throw validationFailed(valid.error.faults.map((fault) => ({ ...fault, path: `/${join}${fault.path}` })))
    return parseFilters(resource, [parameter], query)[0] as Condition
  }

  function toGroup(parameter: Join, { join, members }: WrittenGroup): Group {
    const nodes = members.map((one) => ('members' in one ? toGroup(parameter, one) : parseWritten(parameter, one)))
    return { join, nodes }
  }

  return function parseConditions(query: ConditionQuery, ownerId: string | undefined): ListFilter {
    const nodes: Node[] = parseFilters(resource, parameters, query)
    for (const join of JOINS) {
      const texts = query[join]
      if (texts !== undefined) nodes.push(...[texts].flat().map((text) => toGroup(join, parseGroup(join, text))))
    }
    if (conditionsOf(nodes).length > MAX_CONDITIONS) throw validationFailed([TOO_MANY])
    return { nodes, q: query.q, ownerId }
  }
}

const TOO_MANY: Fault = {
  in: 'query',
  path: '',
  code: 'maxFilters',
  message: `must not have more than ${MAX_CONDITIONS} filters`
}
