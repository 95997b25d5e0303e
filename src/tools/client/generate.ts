import { type ApiDocument, allOperationsOf, type Operation } from '../openapi/document.ts'
import { type Group, groupsOf } from './groups.ts'
import { Names, pascal, quoted } from './names.ts'
import { type QueryTypes, writeOperation } from './operation.ts'
import { linesOf, type QueryProperty, queryOf } from './query.ts'
import { type Part, runtimeText } from './runtime-text.ts'
import { type TypeWriter, typeWriter, union } from './types.ts'

/**
 * Writes a document as a client: one TypeScript file without dependencies, that holds the types of the schemas, a function for
 * each resource, and the behaviour that the server expects of its callers.
 */
export function generateClient(document: ApiDocument): string {
  // The names of the runtime do not depend on which of its parts are there, so that a new route renames no type.
  const names = new Names(runtimeText(new Set(['list', 'rows', 'upload', 'follow'])).names)
  const components = new Map(
    Object.keys(document.components.schemas).map((name) => [name, names.take(pascal(name), `${pascal(name)}Schema`)])
  )
  const types = typeWriter((name) => components.get(name) ?? 'unknown')
  const parts = new Set<Part>()
  const groups = groupsOf(allOperationsOf(document)).map((group) => {
    const name = names.take(group.name, `${group.name}Resource`)
    const { declarations, queryOf } = queryTypes(group, names, types)
    const members = group.operations.map((one) => {
      const { text, part } = writeOperation(one, { group, document, types, queryOf })
      if (part) parts.add(part)
      return text
    })
    const body = `export function ${name}(client: Client) {\n  return {\n${members.join(',\n')}\n  }\n}\n`
    return [...declarations, body].join('\n')
  })
  const schemas = Object.entries(document.components.schemas).map(([name, schema]) =>
    types.declare(components.get(name) as string, schema)
  )
  const codes = errorCodesOf(document).map((code) => `\n  | ${quoted(code)}`)
  const errorCode = `/** The codes of errors, listed at \`/docs/errors\` of the server. */\nexport type ErrorCode =${codes.join('') || ' string'}\n`
  return [
    header(document),
    ...groups,
    section('The types of the document'),
    errorCode,
    ...schemas,
    section('The same for every server'),
    `${runtimeText(parts).text}\n`
  ].join('\n')
}

const section = (title: string) => `// ${'-'.repeat(100)}\n// ${title}.\n`

function header({ title, version }: ApiDocument): string {
  const made = `Made by \`tenon client\` from ${title} ${version}`.trim().replaceAll(/\s+/g, ' ')
  return `// ${made}. Changes here are lost when it is made again.\n// biome-ignore-all lint: it is not written by hand\n/* eslint-disable */\n`
}

/** The codes of the problem that errors are answered with. */
function errorCodesOf({ components }: ApiDocument): string[] {
  const code = components.schemas.Problem?.properties?.error?.properties?.code
  const values = code?.enum ?? (code?.anyOf ?? []).map((one) => one.const)
  return values.filter((value) => typeof value === 'string')
}

/** The types of a group's queries, each written once. What several have in common is a type of its own. */
function queryTypes(group: Group, names: Names, types: TypeWriter) {
  const declarations: string[] = []
  const named = new Map<string, string>()
  const declare = (wanted: string, text: (name: string) => string): string => {
    const key = text('')
    const known = named.get(key)
    if (known !== undefined) return known
    const name = names.take(wanted, `${wanted}Of${pascal(group.name)}`)
    named.set(key, name)
    declarations.push(text(name))
    return name
  }
  const shapes = new Map(group.operations.map(({ operation }) => [operation, queryOf(operation, types)]))
  const shared = sharedBy([...shapes.values()].map(({ properties }) => properties))
  const keys = new Set(shared.map(keyOf))
  const filter =
    shared.length > 0
      ? declare(`${pascal(group.name)}Filter`, (name) => `export interface ${name} {\n${linesOf(shared)}}\n`)
      : undefined

  function queryTypesOf(operation: Operation): QueryTypes {
    const { properties, fields, includes, repeated } = shapes.get(operation) as ReturnType<typeof queryOf>
    const isRequired = properties.some((one) => one.isRequired)
    const field =
      fields && declare(`${pascal(group.name)}Field`, (name) => `export type ${name} = ${union(fields.map(quoted))}\n`)
    if (properties.length === 0) return { query: undefined, isRequired, field: undefined, includes, repeated }
    const isFiltered = shared.length > 0 && shared.every((one) => properties.some((own) => keyOf(own) === keyOf(one)))
    const own = isFiltered ? properties.filter((one) => !keys.has(keyOf(one))) : properties
    const lines = linesOf(own.map((one) => (field && one.name === 'fields' ? { ...one, type: 'readonly F[]' } : one)))
    const generic = field ? `<F extends ${field} = ${field}>` : ''
    const query = declare(
      `${pascal(operation.id)}Query`,
      (name) => `export interface ${name}${generic}${isFiltered ? ` extends ${filter}` : ''} {\n${lines}}\n`
    )
    return { query, isRequired, field, includes, repeated }
  }
  return { declarations, queryOf: queryTypesOf }
}

const keyOf = ({ name, type, isRequired }: QueryProperty) => `${name} ${type} ${isRequired}`
const MIN_SHARED = 5

// The filters of a list, an export and an aggregate are the same.
function sharedBy(queries: QueryProperty[][]): QueryProperty[] {
  const large = queries.filter(({ length }) => length >= MIN_SHARED)
  const [first = [], ...others] = large
  // The type of `fields` depends on the call.
  const shared = first.filter(
    (one) => one.name !== 'fields' && others.every((other) => other.some((same) => keyOf(same) === keyOf(one)))
  )
  return others.length > 0 && shared.length >= MIN_SHARED ? shared : []
}
