import type { Schema } from '../openapi/schema.ts'
import { isObject, typesOf } from '../openapi/schema.ts'
import { comment, property, quoted } from './names.ts'

/** Writes schemas as types. */
export interface TypeWriter {
  /** The type of a schema. */
  of(schema: Schema | undefined): string
  /** The declaration of a named one. */
  declare(name: string, schema: Schema): string
}

/** @param nameOf the name of the type of a component, by that of its schema. */
export function typeWriter(nameOf: (component: string) => string): TypeWriter {
  return { of: (schema) => typeOf(schema ?? {}), declare }

  function declare(name: string, schema: Schema): string {
    const start = `${comment(schema.description)}export`
    const isInterface = isPlainObject(schema) && Object.keys(schema.properties ?? {}).length > 0
    if (isInterface && !isObject(schema.additionalProperties)) return `${start} interface ${name} ${objectOf(schema)}\n`
    return `${start} type ${name} = ${typeOf(schema)}\n`
  }

  function typeOf(schema: Schema | boolean): string {
    if (typeof schema === 'boolean') return schema ? 'unknown' : 'never'
    if (schema.$ref !== undefined) return nameOf(decodeURIComponent(schema.$ref.split('/').at(-1) as string))
    if (schema.const !== undefined) return quoted(schema.const)
    if (schema.enum) return union(schema.enum.map(quoted))
    const { anyOf, oneOf, allOf, ...own } = schema
    const variants = anyOf ?? oneOf
    const parts = [
      ...(typesOf(own).length > 0 ? [bareType(own)] : []),
      ...(variants ? [union(variants.map(typeOf))] : []),
      ...(allOf ?? []).map(typeOf)
    ].filter((part) => part !== 'unknown')
    if (parts.length === 0) return 'unknown'
    return parts.length === 1 ? (parts[0] as string) : parts.map(grouped).join(' & ')
  }

  function bareType(schema: Schema): string {
    return union(
      typesOf(schema).map((type) => {
        if (type === 'object') return objectOf(schema)
        if (type === 'array') return `${grouped(typeOf(schema.items ?? {}))}[]`
        return type === 'integer' ? 'number' : type
      })
    )
  }

  function objectOf({ properties = {}, required = [], additionalProperties: others }: Schema): string {
    const names = Object.keys(properties)
    const rest = isObject(others) ? typeOf(others as Schema) : others === false ? 'never' : 'unknown'
    if (names.length === 0) return `Record<string, ${rest}>`
    const members = names.map((name) => {
      const schema = properties[name] as Schema
      const mark = required.includes(name) ? '' : '?'
      return `${comment(schema.description, '  ')}  ${property(name)}${mark}: ${indented(typeOf(schema))}\n`
    })
    const known = `{\n${members.join('')}}`
    return isObject(others) ? `${known} & Record<string, ${rest}>` : known
  }
}

const isPlainObject = ({ anyOf, oneOf, allOf, $ref, ...own }: Schema) =>
  !anyOf && !oneOf && !allOf && $ref === undefined && typesOf(own).join() === 'object'

/** Types as a union of each once. */
export const union = (types: string[]): string => [...new Set(types)].join(' | ')

/** A type that may stand before `[]` or beside `&`. */
export const grouped = (type: string): string => (/^[\w.]+$|^'[^']*'$/.test(type) ? type : `(${type})`)

/** A type of several lines inside another. */
export const indented = (type: string, by = '  '): string => type.replaceAll('\n', `\n${by}`)
