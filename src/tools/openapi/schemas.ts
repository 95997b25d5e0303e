import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { isObject, type Schema } from './schema.ts'

/** The first place where a value does not fit: a JSON pointer, the keyword that refused it, and a sentence. */
export interface Mismatch {
  path: string
  keyword: string
  message: string
}

/** The schemas of a document: resolved, flattened, and as validators. */
export class Schemas {
  readonly #components: Record<string, Schema>
  readonly #ajv = new Ajv2020({ strict: false, logger: false, validateFormats: true })
  readonly #validators = new WeakMap<Schema, ValidateFunction>()
  readonly #sparse = new WeakMap<Schema, ValidateFunction>()
  readonly #flat = new WeakMap<Schema, Schema>()

  constructor(components: Record<string, Schema>) {
    this.#components = components
    addFormats.default(this.#ajv)
    this.#ajv.addSchema({ $id: 'whole', components: { schemas: components } })
    this.#ajv.addSchema({ $id: 'sparse', components: { schemas: withoutRequired(components) } })
  }

  /**
   * Where a value does not fit a schema.
   * @param isSparse lets fields be missing, as in an answer to `fields=`.
   */
  mismatch(schema: Schema, value: unknown, isSparse = false): Mismatch | undefined {
    const validate = this.#validator(schema, isSparse)
    if (validate(value)) return undefined
    const [{ instancePath, keyword, message, params }] = validate.errors as [ErrorObject]
    const named = params.missingProperty ?? params.additionalProperty
    return { path: instancePath, keyword, message: named === undefined ? `${message}` : `${message} '${named}'` }
  }

  /** Whether a value fits a schema. */
  fits(schema: Schema, value: unknown): boolean {
    return this.#validator(schema, false)(value)
  }

  /** A schema without references and `allOf` at its top. */
  flatten(schema: Schema): Schema {
    const known = this.#flat.get(schema)
    if (known) return known
    const { $ref, allOf, ...rest } = schema
    const name = $ref?.split('/').at(-1)?.replaceAll('~1', '/').replaceAll('~0', '~')
    const target = name === undefined ? undefined : this.#components[decodeURIComponent(name)]
    const parts = [...(target ? [target] : []), ...(allOf ?? [])].map((one) => this.flatten(one))
    const flat = [...parts, rest].reduce(merge, {})
    this.#flat.set(schema, flat)
    return flat
  }

  // A document may have schemas that are none (a type that does not exist): nothing can be said about their values.
  #compile(schema: Schema): ValidateFunction {
    try {
      return this.#ajv.compile(schema)
    } catch {
      return this.#ajv.compile({})
    }
  }

  #validator(schema: Schema, isSparse: boolean): ValidateFunction {
    const cache = isSparse ? this.#sparse : this.#validators
    const known = cache.get(schema)
    if (known) return known
    const own = isSparse ? (withoutRequired(schema) as Schema) : schema
    const root = isSparse ? 'sparse' : 'whole'
    const text = JSON.stringify(own).replaceAll('"$ref":"#/components/', `"$ref":"${root}#/components/`)
    const validate = this.#compile(JSON.parse(text))
    cache.set(schema, validate)
    return validate
  }
}

function merge(a: Schema, b: Schema): Schema {
  const merged: Schema = { ...a, ...b }
  if (a.properties && b.properties) merged.properties = { ...a.properties, ...b.properties }
  if (a.required && b.required) merged.required = [...new Set([...a.required, ...b.required])]
  if (a.minimum !== undefined && b.minimum !== undefined) merged.minimum = Math.max(a.minimum, b.minimum)
  if (a.maximum !== undefined && b.maximum !== undefined) merged.maximum = Math.min(a.maximum, b.maximum)
  return merged
}

function withoutRequired(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutRequired)
  if (!isObject(node)) return node
  const kept = Object.entries(node).filter(([name, value]) => name !== 'required' || !Array.isArray(value))
  return Object.fromEntries(kept.map(([name, value]) => [name, withoutRequired(value)]))
}
