import { type ApiDocument, isStream, type Operation } from '../openapi/document.ts'
import { answerSchema, jsonSchema } from '../openapi/resources.ts'
import type { Schema } from '../openapi/schema.ts'
import type { Group } from './groups.ts'

/** How an operation is called. */
export type Kind =
  | { kind: 'call'; data: Schema | undefined }
  | { kind: 'list' | 'rows' | 'upload' | 'follow'; row: Schema | undefined }

/** How a body is sent. */
export interface Body {
  isForm: boolean
  isRequired: boolean
  schema: Schema | undefined
}

const NDJSON = 'application/x-ndjson'
const FORM = 'application/x-www-form-urlencoded'

const withoutReference = ({ components }: ApiDocument, schema: Schema | undefined): Schema =>
  (schema?.$ref === undefined ? schema : components.schemas[schema.$ref.split('/').at(-1) as string]) ?? {}

/** How an operation is called, as its own answers and those of its resource tell. */
export function kindOf(operation: Operation, { operations }: Group, document: ApiDocument): Kind {
  const { method, path, parameters, responses, body } = operation
  const success = responses[200]?.content ?? {}
  if (isStream(responses)) return { kind: 'follow', row: success['text/event-stream']?.schema?.contentSchema }
  const collection = path.replace(/\/[^/]+$/, '')
  const besides = (verb: string, at: string) =>
    operations.find(({ operation: one }) => one.method === verb && one.path === at)?.operation
  if (NDJSON in success) {
    const { properties = {} } = withoutReference(document, pageOf(besides('GET', collection)))
    return { kind: 'rows', row: properties.data?.items }
  }
  if (body && NDJSON in body.content) {
    // The same rows come in a bulk; there, they are in a list.
    const { properties = {} } = withoutReference(document, bodyOf(besides('POST', `${collection}/bulk`))?.schema)
    return { kind: 'upload', row: properties.items?.items ?? bodyOf(besides('POST', collection))?.schema }
  }
  const data = answerSchema(operation)
  const { properties = {} } = withoutReference(document, data)
  const isPaged = method === 'GET' && parameters.some((one) => one.in === 'query' && one.name === 'cursor')
  if (isPaged && properties.page && properties.data?.items) return { kind: 'list', row: properties.data.items }
  return { kind: 'call', data: data ?? textOf(responses) }
}

const pageOf = (operation: Operation | undefined) => operation && answerSchema(operation)

function textOf(responses: Operation['responses']): Schema | undefined {
  const content = Object.entries(responses).find(([status]) => status.startsWith('2'))?.[1].content ?? {}
  return Object.keys(content).length > 0 ? { type: 'string' } : undefined
}

/** The body of an operation: JSON, or a form. */
export function bodyOf(operation: Operation | undefined): Body | undefined {
  const { content = {}, required = false } = operation?.body ?? {}
  const isForm = jsonSchema(content) === undefined && FORM in content
  if (Object.keys(content).length === 0) return undefined
  return { isForm, isRequired: required, schema: isForm ? content[FORM]?.schema : jsonSchema(content) }
}

/** What an operation answers when it leaves its work to a job; undefined where it never does. */
export const laterOf = ({ responses }: Operation): Schema | undefined =>
  responses[200] && jsonSchema(responses[202]?.content)

/** Whether a credential is needed, welcome, or another than the client has. */
export function credentialOf(
  { security, method }: Operation,
  { components }: ApiDocument
): 'needed' | 'at hand' | 'none' {
  const carried = (name: string) => {
    const { type, scheme } = components.securitySchemes[name] ?? { type: '' }
    return type === 'http' ? scheme?.toLowerCase() === 'bearer' : type !== ''
  }
  const alternatives = security.map((one) => Object.keys(one)).filter((names) => names.length > 0)
  if (alternatives.length > 0) return alternatives.some((names) => names.every(carried)) ? 'needed' : 'none'
  // A reader of what is public is counted by its credential; a login or registration must not begin with a login.
  return method === 'GET' ? 'needed' : 'at hand'
}
