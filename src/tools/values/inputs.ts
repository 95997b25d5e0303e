import fc from 'fast-check'
import type { Operation, Parameter } from '../openapi/document.ts'
import { noInput, type OperationInput } from '../openapi/request.ts'
import { isJsonMedia } from '../openapi/resources.ts'
import type { Json, Schema } from '../openapi/schema.ts'
import type { Schemas } from '../openapi/schemas.ts'
import { invalidOf } from './invalid.ts'
import { valuesOf } from './values.ts'

const MAX_OPTIONAL = 3

/** An input with one fault in it. */
export interface InvalidInput {
  input: OperationInput
  /** `body`, or where the parameter stands. */
  in: string
  /** A JSON pointer into the body, or the name of the parameter. */
  at: string
  fault: string
}

/**
 * Valid inputs of an operation: everything that is required, and a few of what is not.
 * @param optional how many optional parameters may be added.
 * @returns undefined when no valid value could be made for something that is required.
 */
export function inputsOf(
  operation: Operation,
  schemas: Schemas,
  optional = MAX_OPTIONAL
): fc.Arbitrary<OperationInput> | undefined {
  const needed: fc.Arbitrary<Patch>[] = []
  const others: fc.Arbitrary<Patch>[] = []
  for (const parameter of operation.parameters) {
    const values = parameterValues(parameter, schemas)
    if (values) (parameter.required ? needed : others).push(values.map((value) => ({ parameter, value })))
    else if (parameter.required) return undefined
  }
  const some =
    optional > 0 && others.length > 0 ? fc.array(fc.oneof(...others), { maxLength: optional }) : fc.constant([])
  const body = bodiesOf(operation, schemas)
  if (!body) return undefined
  return fc.tuple(fc.tuple(...needed), some, body).map(([required, chosen, sent]) => {
    const input: OperationInput = { ...noInput(), ...sent }
    for (const { parameter, value } of [...required, ...chosen]) input[parameter.in][parameter.name] = value
    return input
  })
}

interface Patch {
  parameter: Parameter
  value: Json
}

/** Inputs with one fault, in the body or in a parameter; undefined where the operation takes whatever comes. */
export function invalidInputsOf(operation: Operation, schemas: Schemas): fc.Arbitrary<InvalidInput> | undefined {
  const valid = inputsOf(operation, schemas, 0)
  if (!valid) return undefined
  const kinds: { weight: number; arbitrary: fc.Arbitrary<InvalidInput> }[] = []
  const schema = jsonBody(operation)?.schema
  const bodies = schema && valuesOf(schema, schemas)
  const invalid = schema && bodies && invalidOf(schema, bodies, schemas)
  if (invalid) {
    const arbitrary = fc.tuple(valid, invalid).map(([input, { value, path, fault }]) => ({
      input: { ...input, contentType: jsonBody(operation)?.media as string, body: value },
      in: 'body',
      at: path,
      fault
    }))
    kinds.push({ weight: 6, arbitrary })
  }
  for (const parameter of operation.parameters) {
    const wrong = wrongTexts(parameter, schemas)
    if (wrong.length === 0) continue
    const arbitrary = fc.tuple(valid, fc.constantFrom(...wrong)).map(([input, value]) => ({
      input: { ...input, [parameter.in]: { ...input[parameter.in], [parameter.name]: value } },
      in: parameter.in,
      at: parameter.name,
      fault: `${JSON.stringify(value)} for ${JSON.stringify(schemas.flatten(parameter.schema as Schema).type)}`
    }))
    kinds.push({ weight: 1, arbitrary })
  }
  return kinds.length > 0 ? fc.oneof(...kinds) : undefined
}

/** The first JSON body of an operation, with its media type. */
export function jsonBody(operation: Operation): { media: string; schema: Schema } | undefined {
  const [media, body] = Object.entries(operation.body?.content ?? {}).find(([name]) => isJsonMedia(name)) ?? []
  return media !== undefined && body?.schema ? { media, schema: body.schema } : undefined
}

/** The schema of a parameter, with its example. */
function schemaOf(parameter: Parameter & { example?: Json }): Schema | undefined {
  const schema = parameter.schema ?? Object.values(parameter.content ?? {})[0]?.schema
  if (!schema || parameter.example === undefined || schema.examples) return schema
  return { ...schema, examples: [parameter.example] }
}

function parameterValues(parameter: Parameter, schemas: Schemas): fc.Arbitrary<Json> | undefined {
  const schema = schemaOf(parameter)
  const values = schema && valuesOf(schema, schemas)
  // A path has no empty segment, and a dot would be taken for a step through the tree.
  return parameter.in === 'path' ? values?.filter((value) => !/^\.{0,2}$/.test(String(value))) : values
}

type Body = Pick<OperationInput, 'body' | 'contentType'>

function bodiesOf(operation: Operation, schemas: Schemas): fc.Arbitrary<Body> | undefined {
  if (!operation.body) return fc.constant({})
  const bodies = Object.entries(operation.body.content).flatMap(([contentType, { schema }]) => {
    const values = schema && !contentType.startsWith('multipart/') ? valuesOf(schema, schemas) : undefined
    return values ? [values.map((body): Body => ({ contentType, body }))] : []
  })
  if (!operation.body.required) return fc.oneof(fc.constant({}), ...bodies)
  return bodies.length > 0 ? fc.oneof(...bodies) : undefined
}

// Texts that no reading of the schema takes: what is coerced from a text can only be told by the text.
function wrongTexts(parameter: Parameter, schemas: Schemas): Json[] {
  const schema = schemas.flatten(parameter.schema ?? {})
  const { minimum, maximum, maxLength, minLength = 0, maxItems, items } = schema
  const types = [schema.type].flat()
  const wrong: Json[] = []
  if (schema.enum) wrong.push('none-of-the-values')
  if (types.includes('string')) {
    if (schema.format === 'uuid') wrong.push('not-a-uuid', '123')
    if (schema.format === 'date-time') wrong.push('yesterday', '2026-13-45T00:00:00Z')
    if (maxLength !== undefined && maxLength < 4000 && parameter.in === 'query') wrong.push('x'.repeat(maxLength + 1))
    if (minLength > 1) wrong.push('x'.repeat(minLength - 1))
  } else if (types.includes('integer') || types.includes('number')) {
    wrong.push('text', '1e400', '0x10', '--1')
    if (types.includes('integer')) wrong.push('1.5')
    if (minimum !== undefined) wrong.push(minimum - 1)
    if (maximum !== undefined) wrong.push(maximum + 1)
  } else if (types.includes('boolean')) wrong.push('maybe')
  else if (types.includes('array') && items) {
    const item = schemas.flatten(items)
    if (item.enum) wrong.push(['none-of-the-values'])
    if ([item.type].flat().includes('integer')) wrong.push(['text'])
    if (maxItems !== undefined && maxItems < 200 && item.enum?.[0] !== undefined)
      wrong.push(Array(maxItems + 1).fill(item.enum[0]))
  }
  return wrong.filter((value) => !schemas.fits(schema, value))
}
