import type { Operation, Parameter } from '../openapi/document.ts'
import { typesOf } from '../openapi/schema.ts'
import { comment, property, quoted } from './names.ts'
import { grouped, type TypeWriter, union } from './types.ts'

/** A property of a query, as a line of its type. */
export interface QueryProperty {
  name: string
  isRequired: boolean
  type: string
  description: string | undefined
}

/** What an operation's query parameters come to. */
export interface QueryShape {
  properties: QueryProperty[]
  /** The values of `fields`, where it chooses those of the answer. */
  fields: string[] | undefined
  /** The values of `include`. */
  includes: string[]
  /** Lists that are sent as one parameter for each value. */
  repeated: string[]
}

/** The query of an operation. `field[op]` becomes `{ field: { op } }`. */
export function queryOf({ parameters }: Operation, types: TypeWriter): QueryShape {
  const query = parameters.filter((one) => one.in === 'query')
  const groups = Map.groupBy(query, ({ name }) => /^[^[]*/.exec(name)?.[0] as string)
  const properties = [...groups].map(([name, all]): QueryProperty => {
    const plain = all.find((one) => one.name === name)
    const operators = all.flatMap((one) => {
      const operator = /\[(\w+)\]$/.exec(one.name)?.[1]
      return operator === undefined ? [] : [{ operator, type: typeOfValue(one, types) }]
    })
    return {
      name,
      isRequired: plain?.required === true,
      type: filterOf(plain && typeOfValue(plain, types), operators),
      // With operators it says only that the value is equal.
      description: operators.length > 0 ? undefined : plain?.description
    }
  })
  return {
    properties,
    fields: valuesOf(query, 'fields'),
    includes: valuesOf(query, 'include') ?? [],
    repeated: query.filter((one) => isList(one) && isExploded(one)).map(({ name }) => name)
  }
}

// Where the operators take what the type `Filter` of the runtime says, it stands for them: a field is one short line then.
function filterOf(plain: string | undefined, operators: { operator: string; type: string }[]): string {
  if (operators.length === 0) return plain as string
  const isUsual = operators.every(({ operator, type }) => type === usual(operator, plain))
  if (plain !== undefined && isUsual)
    return `Filter<${plain}, ${union(operators.map(({ operator }) => quoted(operator)))}>`
  const all = `{ ${operators.map(({ operator, type }) => `${operator}?: ${type} | undefined`).join('; ')} }`
  return plain === undefined ? all : `${plain} | ${all}`
}

function usual(operator: string, plain: string | undefined): string | undefined {
  if (['in', 'nin', 'has'].includes(operator)) return `readonly ${grouped(plain ?? '')}[]`
  if (operator === 'isNull') return 'boolean'
  return operator === 'like' || operator === 'ilike' ? 'string' : plain
}

const schemaOf = ({ schema, content }: Parameter) => schema ?? Object.values(content ?? {})[0]?.schema ?? {}
const isList = (parameter: Parameter) => typesOf(schemaOf(parameter)).includes('array')
// The default of `style: form`, which is that of a query.
const isExploded = ({ explode = true, style = 'form' }: Parameter) => explode && style === 'form'

function typeOfValue(parameter: Parameter, types: TypeWriter): string {
  const schema = schemaOf(parameter)
  return isList(parameter) ? `readonly ${grouped(types.of(schema.items))}[]` : types.of(schema)
}

function valuesOf(query: Parameter[], name: string): string[] | undefined {
  const found = query.find((one) => one.name === name)
  const values = found && schemaOf(found).items?.enum
  return values?.every((value) => typeof value === 'string') ? (values as string[]) : undefined
}

/** The lines of properties in a type. */
export const linesOf = (properties: QueryProperty[]): string =>
  properties
    .map(({ name, isRequired, type, description }) => {
      const end = isRequired ? `: ${type}` : `?: ${type} | undefined`
      return `${comment(description, '  ')}  ${property(name)}${end}\n`
    })
    .join('')
