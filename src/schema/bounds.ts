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

// The bound of a place that its schema leaves open: a list without `maxItems`, a field of any shape. Such a field sets
// its own bound with `x-max-values`.
const MAX_OPEN = 1_000

// With some slack, so that the answer to a slightly too large body can name the fault, not only its size.
const SLACK = 4
const LEAST = 1_000

/** The most values in a body of this schema before it is parsed: four times the most valid values, at least 1,000. */
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

// Members that are not declared by name.
function largestOthers({ additionalProperties, patternProperties, maxProperties = MAX_OPEN }: Shape): number {
  if (additionalProperties === false && !patternProperties) return 0
  const shapes = [additionalProperties, ...Object.values(patternProperties ?? {})]
  const each = shapes.map((one) => (typeof one === 'object' ? largest(one) : 1))
  return maxProperties * Math.max(...each)
}

const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0)
