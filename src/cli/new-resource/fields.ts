import { MisuseError } from '../../tools/misuse.ts'

/** A field of a new resource, as it was asked for. */
export interface FieldSpec {
  /** In camelCase. */
  name: string
  type: FieldType
  /** Of an array: of its elements. */
  isList: boolean
  isUnique: boolean
  isNullable: boolean
  /** The value of a create without the field, as source text. */
  default?: string
}

/** The type of a field, with what it needs. */
export type FieldType =
  | { is: 'string' | 'text' | 'integer' | 'bigint' | 'number' | 'boolean' | 'timestamp' | 'date' | 'uuid' | 'json' }
  | { is: 'decimal'; precision: number; scale: number }
  | { is: 'enum'; values: string[] }
  | { is: 'ref'; resource: string }

const PLAIN = ['string', 'text', 'integer', 'bigint', 'number', 'boolean', 'timestamp', 'date', 'uuid', 'json'] as const
const TYPES = [...PLAIN, 'decimal(p,s)', 'enum(a,b)', 'ref:<resource>'].join(', ')
const RESERVED = ['id', 'createdAt', 'updatedAt', 'version']
const MAX_PRECISION = 1000

/**
 * Reads `name:type[:unique][:?][=default]`.
 * @throws MisuseError saying what is wrong with it.
 */
export function fieldIn(text: string): FieldSpec {
  const refuse = (why: string) => new MisuseError(`'${text}': ${why}`)
  const [, name = '', rest = ''] = /^([^:]*):(.*)$/s.exec(text) ?? []
  if (rest === '') throw refuse('a field is name:type, as in total:integer')
  if (!/^[a-z][a-zA-Z0-9]*$/.test(name)) throw refuse('the name of a field is in camelCase: dueAt')
  if (RESERVED.includes(name)) throw refuse(`every resource has ${name} already`)
  const [, declared = '', given] = /^((?:\([^)]*\)|[^=(])*)(?:=(.*))?$/s.exec(rest) ?? []
  const [kind, ...flags] = declared.replace(/^ref:/, 'ref ').split(':') as [string, ...string[]]
  const isList = kind.endsWith('[]')
  const type = typeIn(isList ? kind.slice(0, -2) : kind)
  if (!type)
    throw refuse(`there is no type '${kind.replace(' ', ':')}': there is ${TYPES}, each also as a list: string[]`)
  const unknown = flags.find((flag) => flag !== 'unique' && flag !== '?')
  if (unknown !== undefined) throw refuse(`after the type there can be :unique and :?, not ':${unknown}'`)
  const [isUnique, isNullable] = [flags.includes('unique'), flags.includes('?')]
  if (isList && (type.is === 'json' || type.is === 'ref')) throw refuse(`there are no lists of ${type.is}`)
  if (isUnique && (isList || type.is === 'json')) throw refuse('a list or json cannot be unique')
  if (isNullable && given !== undefined) throw refuse('a field has a default or may be null, not both')
  if (isUnique && given !== undefined) throw refuse('a unique field has no default: the second row with it is refused')
  const spec = { name, type, isList, isUnique, isNullable }
  return given === undefined ? spec : { ...spec, default: defaultIn(spec, given, refuse) }
}

function typeIn(text: string): FieldType | undefined {
  const plain = PLAIN.find((one) => one === text)
  if (plain) return { is: plain }
  const [, precision, scale] = /^decimal\((\d+),\s*(\d+)\)$/.exec(text) ?? []
  const [p, s] = [Number(precision), Number(scale)]
  if (precision !== undefined)
    return p >= 1 && p <= MAX_PRECISION && s <= p ? { is: 'decimal', precision: p, scale: s } : undefined
  const [, list] = /^enum\(([^)]+)\)$/.exec(text) ?? []
  const values = list?.split(',').map((one) => one.trim())
  if (values) {
    const isSound = values.every((one) => /^[\w-]+$/.test(one)) && new Set(values).size === values.length
    return isSound ? { is: 'enum', values } : undefined
  }
  const [, resource] = /^ref ([a-z][a-z0-9-]*)$/.exec(text) ?? []
  return resource === undefined ? undefined : { is: 'ref', resource }
}

function defaultIn({ type, isList }: FieldSpec, given: string, refuse: (why: string) => MisuseError): string {
  if (isList) {
    if (given === '[]') return '[]'
    throw refuse('the default of a list is []')
  }
  const text = () => `'${given.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const wrong = () => refuse(`'${given}' is no ${type.is}`)
  switch (type.is) {
    case 'integer':
    case 'bigint':
      if (!/^-?\d+$/.test(given) || !Number.isSafeInteger(Number(given))) throw wrong()
      return String(Number(given))
    case 'number':
      if (given.trim() === '' || !Number.isFinite(Number(given))) throw wrong()
      return String(Number(given))
    case 'boolean':
      if (given !== 'true' && given !== 'false') throw wrong()
      return given
    case 'decimal':
      if (!new RegExp(decimalPattern(type)).test(given)) throw wrong()
      return text()
    case 'enum':
      if (!type.values.includes(given)) throw refuse(`'${given}' is none of ${type.values.join(', ')}`)
      return text()
    case 'string':
    case 'text':
      return text()
    default:
      throw refuse(`a field of the type ${type.is} has no default here: write it into the schema`)
  }
}

/** The pattern of a decimal as text, with its digits before and after the point. */
export function decimalPattern({ precision, scale }: { precision: number; scale: number }): string {
  const whole = precision > scale ? `\\d{1,${precision - scale}}` : '0'
  return scale === 0 ? `^-?${whole}$` : `^-?${whole}(\\.\\d{1,${scale}})?$`
}
