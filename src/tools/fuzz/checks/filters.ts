import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import type { Parameter } from '../../openapi/document.ts'
import { noInput, type OperationInput } from '../../openapi/request.ts'
import { limitOf, type Resource, rowsOf } from '../../openapi/resources.ts'
import { isObject, type Json, type JsonObject } from '../../openapi/schema.ts'
import type { Schemas } from '../../openapi/schemas.ts'
import { inputsOf } from '../../values/inputs.ts'
import { Fault } from '../finding.ts'
import { idOf } from '../scene.ts'
import { type CheckMaker, check } from './check.ts'

/** A parameter of a list that compares a field: `priceCents[gte]`, `name`, `created_at__lt`. */
interface Filter {
  parameter: string
  field: string
  operator: string
  isList: boolean
  format: string | undefined
}

/** Lists by the values of rows that were just made: every row that is listed matches, and each of those that match is there. */
export const filters: CheckMaker = (session) =>
  session.resources.flatMap((resource) => {
    const { create, list } = resource
    const inputs = create && session.isTried(create) && inputsOf(create, session.schemas, 0)
    const known = list ? filtersOf(list.parameters, resource, session.schemas) : []
    if (!list || !inputs || known.length === 0) return []
    const limit = limitOf(list)
    return check({
      name: 'filter',
      subject: resource.collection,
      weight: 6,
      inputs: fc.record({
        creates: fc.array(inputs, { minLength: 2, maxLength: 3 }),
        filter: fc.constantFrom(...known)
      }),
      async run(scene, { creates, filter }) {
        const own: JsonObject[] = []
        for (const input of creates) {
          const { row } = await scene.create(resource, input)
          const json = row && (await scene.read(row)).json
          if (isObject(json)) own.push(json)
        }
        const value = own.map((row) => wanted(filter, row)).find((one) => one !== undefined && one !== '')
        if (value === undefined) return
        const query = { [filter.parameter]: value, ...(limit && { [limit.name]: limit.most }) }
        const { path } = creates[0] as OperationInput
        const { status, json } = await scene.send(list, { ...noInput(), path, query })
        if (status !== 200) return
        const rows = (rowsOf(json) ?? []).filter(isObject)
        const wrong = rows.find((row) => meets(filter, row, value) === false)
        const place = filter.parameter
        if (wrong)
          throw new Fault(
            'filter',
            list.id,
            `${place}=${JSON.stringify(value)} lists a row that does not match: ${JSON.stringify(wrong)}`,
            place
          )
        if (rows.length >= (limit?.most ?? 20)) return
        const ids = rows.map((row) => idOf(row, resource))
        const missing = own.find((row) => meets(filter, row, value) === true && !ids.includes(idOf(row, resource)))
        if (missing)
          throw new Fault(
            'filter',
            list.id,
            `${place}=${JSON.stringify(value)} leaves out a row that matches: ${JSON.stringify(missing)}`,
            place
          )
      }
    })
  })

const OPERATORS = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'has', 'isNull']

const FILTER = /^(?:filter\[)?(?<field>[^[\]]+?)\]?(?:\[(?<bracket>\w+)\]|__(?<tail>\w+))?$/

function filtersOf(parameters: Parameter[], resource: Resource, schemas: Schemas): Filter[] {
  const { properties = {} } = schemas.flatten(resource.row)
  return parameters.flatMap((parameter) => {
    const { field = '', bracket, tail } = FILTER.exec(parameter.name)?.groups ?? {}
    const operator = bracket ?? tail ?? 'eq'
    const property = properties[field]
    if (parameter.in !== 'query' || !property || !OPERATORS.includes(operator)) return []
    const types = [schemas.flatten(property).type].flat()
    const isList = [schemas.flatten(parameter.schema ?? {}).type].flat().includes('array')
    // An object has no order, and of a list only `has` is plain.
    if (types.includes('object') || (types.includes('array') && operator !== 'has')) return []
    return [{ parameter: parameter.name, field, operator, isList, format: schemas.flatten(property).format }]
  })
}

/** The value to ask for, taken from a row. */
function wanted({ field, operator, isList }: Filter, row: JsonObject): Json | undefined {
  const value = row[field]
  if (operator === 'isNull') return value === null
  if (operator === 'has') {
    const [one] = Array.isArray(value) ? value : []
    return one === undefined || !isList ? one : [one]
  }
  if (value === undefined || value === null || typeof value === 'object') return undefined
  return isList ? [value] : value
}

/** Whether a row meets a filter; undefined where that cannot be told from outside. */
function meets({ field, operator, format }: Filter, row: JsonObject, value: Json): boolean | undefined {
  const own = row[field]
  if (own === undefined) return undefined
  const values = [value].flat() as Json[]
  const isEqual = values.some((one) => isSame(own, one, format))
  if (operator === 'eq' || operator === 'in') return isEqual
  if (operator === 'ne' || operator === 'nin') return own === null || !isEqual
  if (operator === 'isNull') return (own === null) === value
  if (operator === 'has')
    return Array.isArray(own) && values.every((one) => own.some((item) => isDeepStrictEqual(item, one)))
  if (own === null) return false
  const [left, right] = [own, values[0]].map((one) => (format === 'date-time' ? Date.parse(String(one)) : one))
  // The order of texts is that of the database's collation.
  if (typeof left !== 'number' || typeof right !== 'number') return undefined
  return { gt: left > right, gte: left >= right, lt: left < right, lte: left <= right }[operator]
}

function isSame(a: Json, b: Json, format: string | undefined): boolean {
  if (format === 'date-time') return Date.parse(String(a)) === Date.parse(String(b))
  // Some databases compare texts without regard to case.
  return typeof a === 'string' && typeof b === 'string' ? a.toLowerCase() === b.toLowerCase() : a === b
}
