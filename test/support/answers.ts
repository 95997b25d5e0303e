import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

interface OpenApi {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}

interface Operation {
  responses: Record<string, { content?: Record<string, { schema?: object }> }>
}

/** An answer in a test. */
export interface Seen {
  method: string
  url: string
  status: number
  contentType: string | undefined
  body: unknown
}

/**
 * Checks answers against the OpenAPI document: it lists the status and the media type for the operation, and the body
 * fits its schema. An answer outside of all operations (an unknown path) must be a Problem.
 */
export function answerChecker(document: OpenApi): (seen: Seen) => string | undefined {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  // Checked by the server; without a name here Ajv warns at each schema.
  for (const format of ['iso-4217', 'cidr']) ajv.addFormat(format, true)
  ajv.addSchema({ $id: 'tenon', components: document.components })
  ajv.addSchema({ $id: 'sparse', components: withoutRequired(document.components) as object })
  const paths = Object.entries(document.paths).map(([path, operations]) => ({
    pattern: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\{[^}]+\}/g, '[^/]+')}$`),
    isExact: !path.includes('{'),
    operations
  }))
  // A literal path wins over a parameter, as in the router.
  paths.sort((a, b) => Number(b.isExact) - Number(a.isExact))
  const validators = new Map<string, ValidateFunction>()

  // `fields=` leaves fields out, which the schemas of whole rows do not allow.
  function fits(schema: object, body: unknown, isWhole = true): string | undefined {
    const root = isWhole ? 'tenon' : 'sparse'
    const key = JSON.stringify(schema).replaceAll('"#/components', `"${root}#/components`)
    const validate = validators.get(key) ?? ajv.compile(JSON.parse(key))
    validators.set(key, validate)
    return validate(body) ? undefined : ajv.errorsText(validate.errors)
  }

  return function check({ method, url, status, contentType, body }) {
    const path = url.split('?')[0] as string
    const where = `${method} ${path} ${status}`
    const operations = paths.find(({ pattern }) => pattern.test(path))?.operations
    const operation = operations?.[(method === 'HEAD' ? 'GET' : method).toLowerCase()]
    if (!operation) {
      const isPlain = status === 204 || (contentType?.startsWith('text/html') ?? false) || method === 'HEAD'
      return isPlain ? undefined : wrap(where, fits({ $ref: '#/components/schemas/Problem' }, body))
    }
    const response = operation.responses[String(status)]
    if (!response) return `${where}: this status is not documented`
    if (method === 'HEAD') return undefined
    // `Prefer: return=minimal` asks for an answer without its body.
    if (status === 201 && body === undefined && contentType === undefined) return undefined
    if (!response.content) return body === undefined ? undefined : `${where}: a body where none is documented`
    const media = response.content[contentType?.split(';')[0] as string]
    if (!media?.schema) return `${where}: ${contentType} is not documented`
    return wrap(where, fits(media.schema, body, !/[?&]fields=/.test(url)))
  }
}

const wrap = (where: string, fault: string | undefined) => fault && `${where}: ${fault}`

function withoutRequired(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutRequired)
  if (typeof node !== 'object' || node === null) return node
  const kept = Object.entries(node).filter(([name, value]) => name !== 'required' || !Array.isArray(value))
  return Object.fromEntries(kept.map(([name, value]) => [name, withoutRequired(value)]))
}
