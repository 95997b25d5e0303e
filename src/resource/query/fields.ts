import { type TObject, type TSchema, Type } from '@sinclair/typebox'
import { Bounded } from '#src/concurrency/bounded.ts'
import { compileSerializer } from '../../schema/serialize.ts'
import { includePaths } from '../compile/includes.ts'
import type { Resource, Wire } from '../model.ts'

type Serializer = (data: unknown) => string

// A resource of 20 fields has a million combinations.
const MAX_KEPT = 200

/** The query parameter `fields`. */
export function fieldsParameter(resource: Resource): TSchema {
  const names = Object.keys(resource.variants.Response.properties)
  return list(names, 'Only these fields, comma-separated; the others are left out of the answer, required ones too.')
}

/** The query parameter `include`, where the resource declares any. */
export function includeParameter(resource: Resource): Record<string, TSchema> {
  const names = includePaths(resource.includes)
  return names.length === 0 ? {} : { include: list(names, 'Related resources to answer with, comma-separated.') }
}

function list(names: string[], description: string): TSchema {
  const one = Type.Unsafe<string>({ type: 'string', enum: names })
  return Type.Optional(
    Type.Array(one, {
      minItems: 1,
      maxItems: names.length,
      uniqueItems: true,
      description
    })
  )
}

/** Only some fields of a row that is sent as it is. */
export function pickFields(row: Wire, names: string[]): Wire {
  const picked: Wire = {}
  for (const name of names) picked[name] = row[name]
  return picked
}

/**
 * The serializers of answers that carry only some fields: picked here, and not in SQL, so that all callers share one
 * statement. Kept by their set of fields, a bounded number of them.
 */
export class SparseSerializers {
  readonly #wrap: (one: TObject) => TSchema
  readonly #answer: TObject
  readonly #kept = new Bounded<Serializer>(MAX_KEPT)

  /** @param wrap gives the schema of the whole answer from that of one resource: itself, or a page of them. */
  constructor(answer: TObject, wrap: (one: TObject) => TSchema) {
    this.#answer = answer
    this.#wrap = wrap
  }

  get(names: string[]): Serializer {
    // What is inside an include comes with it.
    const key = [...new Set(names.map((name) => name.split('.')[0]))].sort().join()
    return this.#kept.get(key, () => compileSerializer(this.#wrap(Type.Pick(this.#answer, key.split(',')))))
  }
}
