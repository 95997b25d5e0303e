import build from 'fast-json-stringify'
import { shapeOf } from './content.ts'

type Serializer = (data: unknown) => string

const compiled = new Map<string, Serializer>()

/** The serializer of an answer. Compiled on first use, and once for all schemas of the same shape. */
export function compileSerializer(schema: object): Serializer {
  let serializer: Serializer | undefined
  return function serialize(data) {
    serializer ??= compile(JSON.stringify(shapeOf(schema)))
    return serializer(data)
  }
}

function compile(shape: string): Serializer {
  let serializer = compiled.get(shape)
  if (!serializer) {
    serializer = build(JSON.parse(shape)) as Serializer
    compiled.set(shape, serializer)
  }
  return serializer
}
