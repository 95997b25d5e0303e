interface Shape {
  type?: string | string[]
  properties?: Record<string, Shape>
  additionalProperties?: boolean | Shape
  patternProperties?: Record<string, Shape>
  maxProperties?: number
  items?: Shape
  maxItems?: number
  anyOf?: Shape[]
  allOf?: Shape[]
  const?: unknown
  enum?: unknown[]
  'x-documented'?: Shape
  'x-max-values'?: number
}

// What a place may have that its schema leaves open: a list without `maxItems`, a field of any shape. Such a field sets
// its own bound with `x-max-values`.
const MAX_OPEN = 1_000

// So that a body with too much of something is still told what, and not only that it is too much.
const SLACK = 4
const LEAST = 1_000

/** How many values a body of this schema may have before it is parsed: four times what could be valid, at least 1,000. */
export const maxValuesOf = (schema: object): number => LEAST + SLACK * largest(schema as Shape)

function largest(shape: Shape): number {
  const { type, properties, items, anyOf, allOf, 'x-max-values': declared, 'x-documented': documented } = shape
  if (declared !== undefined) return declared
  if (documented) return largest(documented)
  if (anyOf) return Math.max(...anyOf.map(largest))
  if (allOf) return sum(allOf.map(largest))
  const types = [type].flat()
  if (types.includes('array')) return 1 + (shape.maxItems ?? MAX_OPEN) * (items ? largest(items) : MAX_OPEN)
  if (types.includes('object')) return 1 + sum(Object.values(properties ?? {}).map(largest)) + largestOthers(shape)
  return type === undefined && !('const' in shape) && !shape.enum ? MAX_OPEN : 1
}

// The members that are not named one by one.
function largestOthers({ additionalProperties, patternProperties, maxProperties = MAX_OPEN }: Shape): number {
  if (additionalProperties === false && !patternProperties) return 0
  const shapes = [additionalProperties, ...Object.values(patternProperties ?? {})]
  const each = shapes.map((one) => (typeof one === 'object' ? largest(one) : 1))
  return maxProperties * Math.max(...each)
}

const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0)
