import { type Note, type Schema, schemaComparer } from './schema.ts'

/** The compared parts of an OpenAPI document. */
export interface Document {
  info: { version: string }
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

interface Operation {
  parameters?: Parameter[]
  requestBody?: { required?: boolean; content: Content }
  responses: Record<string, { content?: Content }>
  security?: Record<string, string[]>[]
}

type Content = Record<string, { schema?: Schema }>
interface Parameter {
  name: string
  in: string
  required?: boolean
  schema?: Schema
}

/** A difference between a document and the previous one. */
export interface Difference {
  /** Whether it may break a client of the previous one. */
  isBreaking: boolean
  where: string
  what: string
}

/** Every difference between two documents that a client can notice, each place once. */
export function compareDocuments(before: Document, after: Document): Difference[] {
  const found = new Map<string, Difference>()
  const note: Note = (isBreaking, where, what) => void found.set(`${where} ${what}`, { isBreaking, where, what })
  const compare = operationComparer(before, after, note)
  for (const [path, old] of Object.entries(before.paths)) {
    for (const [method, operation] of Object.entries(old)) {
      const where = `${method.toUpperCase()} ${path}`
      const same = after.paths[path]?.[method]
      if (same) compare(operation, same, where)
      else note(true, where, 'was removed')
    }
  }
  for (const [path, now] of Object.entries(after.paths)) {
    for (const method of Object.keys(now)) {
      if (!before.paths[path]?.[method]) note(false, `${method.toUpperCase()} ${path}`, 'was added')
    }
  }
  return [...found.values()]
}

function operationComparer(before: Document, after: Document, note: Note) {
  const resolve = (document: Document) => (schema: Schema) =>
    schema.$ref ? (document.components.schemas[schema.$ref.split('/').at(-1) as string] as Schema) : schema
  const both: Parameters<typeof schemaComparer>[2] = [resolve(before), resolve(after)]
  const compareRequest = schemaComparer('request', note, both)
  const compareResponse = schemaComparer('response', note, both)

  function compareContent(old: Content, now: Content, where: string, compare: typeof compareRequest): void {
    for (const [media, { schema }] of Object.entries(old)) {
      const same = now[media]
      if (!same) note(true, where, `${media} was removed`)
      else if (schema && same.schema) compare({ before: schema, after: same.schema, where })
    }
    for (const media of Object.keys(now)) if (!old[media]) note(false, where, `${media} was added`)
  }

  function compareParameters(old: Parameter[], now: Parameter[], where: string): void {
    const find = (list: Parameter[], one: Parameter) =>
      list.find(({ name, in: part }) => name === one.name && part === one.in)
    for (const one of old) {
      const place = `${where} ${one.in}/${one.name}`
      const same = find(now, one)
      if (!same) {
        note(true, place, 'was removed')
        continue
      }
      if (same.required && !one.required) note(true, place, 'became required')
      compareRequest({ before: one.schema ?? {}, after: same.schema ?? {}, where: place })
    }
    for (const one of now) {
      if (!find(old, one)) note(one.required === true, `${where} ${one.in}/${one.name}`, 'was added')
    }
  }

  return function compareOperation(old: Operation, now: Operation, where: string): void {
    compareParameters(old.parameters ?? [], now.parameters ?? [], where)
    compareContent(old.requestBody?.content ?? {}, now.requestBody?.content ?? {}, `${where} body`, compareRequest)
    if (now.requestBody?.required && !old.requestBody?.required) note(true, `${where} body`, 'became required')
    for (const scope of scopesOf(now)) if (!scopesOf(old).includes(scope)) note(true, where, `needs ${scope}`)
    for (const [status, { content = {} }] of Object.entries(old.responses)) {
      const same = now.responses[status]
      if (same) compareContent(content, same.content ?? {}, `${where} ${status}`, compareResponse)
      // A client does not miss an error that no longer happens.
      else note(status < '400', `${where} ${status}`, 'was removed')
    }
    for (const status of Object.keys(now.responses)) {
      if (!old.responses[status]) note(false, `${where} ${status}`, 'was added')
    }
  }
}

const scopesOf = ({ security = [] }: Operation) =>
  security.flatMap((one) => Object.values(one).flatMap((scopes) => (scopes.length === 0 ? ['a credential'] : scopes)))
