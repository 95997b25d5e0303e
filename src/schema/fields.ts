import { type Static, type StringOptions, type TSchema, type TString, type TUnsafe, Type } from '@sinclair/typebox'

declare const nullable: unique symbol

export type TReadOnly<T extends TSchema> = T & { readOnly: true }
export type TWriteOnly<T extends TSchema> = T & { writeOnly: true }
export type TDefault<T extends TSchema> = T & { default: Static<T> }
export type TNullable<T extends TSchema> = TUnsafe<Static<T> | null> & { [nullable]: true }

/** A name: a text with more than blanks. */
export const Name = (options: StringOptions = {}): TString =>
  Type.String({ minLength: 1, pattern: NOT_BLANK, ...options })

/** The pattern of a text with a visible character. */
export const NOT_BLANK = '\\S'

/** The resource's own id: a UUIDv7 that the server makes. */
export const Id = () => ReadOnly(Reference())

/** The id of another resource. */
export const Reference = (): TString =>
  Type.String({ format: 'uuid', examples: ['0192f0c1-2345-7abc-8def-0123456789ab'] })

/** A timestamp: RFC 3339, answered in UTC with `Z` and milliseconds. */
export const Timestamp = (): TString =>
  Type.String({ format: 'date-time', maxLength: 40, examples: ['2026-01-31T09:30:00.000Z'] })

/** An ISO 4217 currency code that is in use. */
export const Currency = (): TString => Type.String({ format: 'iso-4217', pattern: '^[A-Z]{3}$', examples: ['USD'] })

/** Only the server writes it; a value from a client is refused as an unknown field. */
export function ReadOnly<T extends TSchema>(schema: T): TReadOnly<T> {
  return { ...schema, readOnly: true }
}

/** Clients write it and never read it back: no answer, log line or document has a value. */
export function WriteOnly<T extends TSchema>(schema: T): TWriteOnly<T> {
  return { ...schema, writeOnly: true }
}

/** Personal data: no log line shows a value, even in a filter. Answers show it to clients that may read the field. */
export function Personal<T extends TSchema>(schema: T): T {
  return { ...schema, 'x-personal': true }
}

/** The value for a create or a replace without the field. */
export function Default<T extends TSchema>(schema: T, value: Static<T>): TDefault<T> {
  return { ...schema, default: value }
}

/**
 * Allows null, and leaving the field out of a create or replace, which means null.
 * Written as a list of types and not as a union, because a union makes Ajv try each branch and the serializer validate.
 */
export function Nullable<T extends TSchema>(schema: T): TNullable<T> {
  const { type, enum: values } = schema as { type?: string | string[]; enum?: unknown[] }
  if (!type) return Type.Union([schema, Type.Null()]) as unknown as TNullable<T>
  return {
    ...schema,
    type: [type, 'null'].flat(),
    ...(values && { enum: [...values, null] })
  } as unknown as TNullable<T>
}

/** Whether a schema takes null. */
export function isNullable(schema: TSchema): boolean {
  if (Array.isArray(schema.type)) return schema.type.includes('null')
  return Array.isArray(schema.anyOf) && schema.anyOf.some((one: TSchema) => one.type === 'null')
}

/** The schema without null, and without keywords that only concern a body: default, readOnly and the like. */
export function bare(schema: TSchema): TSchema {
  const { default: _default, readOnly: _readOnly, writeOnly: _writeOnly, ...rest } = schema
  if (rest.anyOf && isNullable(schema)) {
    const branches = rest.anyOf.filter((one: TSchema) => one.type !== 'null')
    return branches.length === 1 ? bare(branches[0]) : ({ ...rest, anyOf: branches } as TSchema)
  }
  if (Array.isArray(rest.type)) rest.type = rest.type.find((type: string) => type !== 'null')
  if (Array.isArray(rest.enum)) rest.enum = rest.enum.filter((value: unknown) => value !== null)
  return rest as TSchema
}

/** The documented schema of an answer, where the serializer's own is simpler. */
export function documentedAs<T extends TSchema>(schema: T, documented: TSchema): T {
  return { ...schema, 'x-documented': documented }
}
