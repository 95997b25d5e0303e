import type { ApiDocument, Operation } from '../openapi/document.ts'
import { answerSchema } from '../openapi/resources.ts'
import type { Group } from './groups.ts'
import { bodyOf, credentialOf, type Kind, kindOf, laterOf } from './kinds.ts'
import { camel, comment, Names, property, quoted } from './names.ts'
import type { Part } from './runtime-text.ts'
import { indented, type TypeWriter, union } from './types.ts'

/** The types of an operation's query. */
export interface QueryTypes {
  /** The name of its type; undefined where there is no query. */
  query: string | undefined
  isRequired: boolean
  /** The name of the union of its `fields`, where they choose those of the answer. */
  field: string | undefined
  includes: string[]
  repeated: string[]
}

/** What the functions of a group are written with. */
export interface Writing {
  group: Group
  document: ApiDocument
  types: TypeWriter
  queryOf: (operation: Operation) => QueryTypes
}

/** Writes the function of an operation, as a member of an object. */
export function writeOperation(
  { name, operation }: Group['operations'][number],
  writing: Writing
): { text: string; part: Part | undefined } {
  const kind = kindOf(operation, writing.group, writing.document)
  const asked = writing.queryOf(operation)
  const options = optionsOf(operation, kind.kind)
  const { generics, parameters, path } = signatureOf(operation, kind, asked, options, writing.types)
  const request = requestOf(operation, path, kind.kind, asked, writing.document)
  const called = callOf(operation, kind, asked, options, request, writing.types)
  const summary = operation.summary?.replace(/\.?$/, '. ') ?? ''
  const doc = comment(`${summary}\`${operation.method} ${operation.path}\``, '    ')
  return {
    text: `${doc}${indented(`    ${property(name)}: ${generics}(${parameters}) =>\n  ${called}`, '    ')}`,
    part: kind.kind === 'call' ? undefined : kind.kind
  }
}

interface Options {
  type: string
  /** Whether what is answered depends on them. */
  isDecisive: boolean
}

function optionsOf(operation: Operation, kind: Kind['kind']): Options {
  if (kind === 'follow') return { type: 'FollowOptions', isDecisive: false }
  if (kind === 'upload') return { type: 'UploadOptions', isDecisive: true }
  if (operation.method === 'GET') return { type: 'CallOptions', isDecisive: false }
  if (hasHeader(operation, 'prefer'))
    return { type: laterOf(operation) ? 'LongOptions' : 'ChangeOptions', isDecisive: true }
  return { type: hasHeader(operation, 'idempotency-key') ? 'KeyedOptions' : 'CallOptions', isDecisive: false }
}

function signatureOf(operation: Operation, kind: Kind, asked: QueryTypes, options: Options, types: TypeWriter) {
  const { query, field } = asked
  const names = new Names(['body', 'query', 'options', 'rows', 'client'])
  const segments = operation.parameters
    .filter((one) => one.in === 'path')
    .map((one) => ({
      name: one.name,
      local: names.take(camel(one.name), `${camel(one.name)}Segment`),
      type: types.of(one.schema)
    }))
  const body = bodyOf(operation)
  const generics = [
    ...(field ? [`const F extends ${field} = ${field}`] : []),
    ...(options.isDecisive ? [`const O extends ${options.type} = {}`] : [])
  ]
  const optional = [
    ...(query && !asked.isRequired ? [`query?: ${query}${field ? '<F>' : ''}`] : []),
    `options?: ${options.isDecisive ? 'O' : options.type}`
  ]
  const parameters = [
    ...segments.map(({ local, type }) => `${local}: ${type}`),
    ...(kind.kind === 'upload' ? [`rows: Upload<${types.of(kind.row)}>`] : []),
    ...(body && kind.kind !== 'upload'
      ? [`body${body.isRequired || asked.isRequired ? '' : '?'}: ${types.of(body.schema)}`]
      : []),
    ...(query && asked.isRequired ? [`query: ${query}${field ? '<F>' : ''}`] : []),
    ...optional
  ]
  const path = operation.path.replace(/\{([^{}]+)\}/g, (_, name) => {
    const found = segments.find((one) => one.name === name)
    return `\${segment(${found?.local})}`
  })
  return {
    generics: generics.length > 0 ? `<${generics.join(', ')}>` : '',
    parameters: parameters.join(', '),
    path: segments.length > 0 ? `\`${path}\`` : quoted(path)
  }
}

function requestOf(
  operation: Operation,
  path: string,
  kind: Kind['kind'],
  { query, repeated }: QueryTypes,
  document: ApiDocument
): string {
  const { method } = operation
  const body = kind === 'upload' ? undefined : bodyOf(operation)
  const credential = credentialOf(operation, document)
  const members = [
    `method: ${quoted(method)}`,
    `path: ${path}`,
    query && 'query',
    query && repeated.length > 0 && `repeated: [${repeated.map(quoted).join(', ')}]`,
    body && (body.isForm ? 'form: body' : 'body'),
    hasHeader(operation, 'idempotency-key') && 'isKeyed: true',
    method === 'GET' && hasHeader(operation, 'if-none-match') && 'isTagged: true',
    credential !== 'needed' && `credential: ${quoted(credential)}`,
    kind !== 'follow' && 'options'
  ]
  return `{ ${members.filter(Boolean).join(', ')} }`
}

function callOf(
  operation: Operation,
  kind: Kind,
  { field, includes }: QueryTypes,
  options: Options,
  request: string,
  types: TypeWriter
): string {
  const later = laterOf(operation)
  const job = later ? [types.of(later)] : []
  const selected = (row: string) =>
    field
      ? `Selected<${[row, field, 'F', ...(includes.length > 0 ? [union(includes.map(quoted))] : [])].join(', ')}>`
      : row
  const answered = (data: string) => (options.isDecisive ? `Answered<${[data, 'O', ...job].join(', ')}>` : data)
  if (kind.kind === 'call') {
    const data = kind.data ? selected(types.of(kind.data)) : 'undefined'
    return `call<${answered(data)}>(client, ${request})`
  }
  const row = selected(types.of(kind.row))
  if (kind.kind === 'list') return `list<${row}>(client, ${request})`
  if (kind.kind === 'rows') return `new Rows<${[row, ...job].join(', ')}>(client, ${request})`
  if (kind.kind === 'follow') return `follow<${row}>(client, ${request}, options)`
  return `upload<${answered(types.of(answerSchema(operation)))}>(client, ${request}, rows)`
}

const hasHeader = ({ parameters }: Operation, name: string) =>
  parameters.some((one) => one.in === 'header' && one.name.toLowerCase() === name)
