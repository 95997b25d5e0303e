import { and, inArray, notInArray, type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { ApiError } from '../errors.ts'

/** Which version a row must have for a change to be made. */
export interface Precondition {
  /** `If-Match`: it must have one of these. */
  anyOf?: number[]
  /** `If-None-Match`: it must have none of these; `*` when there must be no row at all. */
  noneOf?: number[] | '*'
}

/** The ETag of a row: its version, which every change raises. */
export const etagOf = (version: number): string => `"${version}"`

/** Whether `If-None-Match` names the version that would be sent (RFC 9110, section 13.1.2: compared weakly). */
export function isNotModified(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch === '*' || tags(ifNoneMatch).some((tag) => strong(tag) === etag)
}

/**
 * The precondition of a change (RFC 9110, section 13.1), or undefined when any version will do.
 * `If-Match` is compared strongly, so that a weak tag never matches; `If-None-Match` weakly.
 * @param isRequired whether the caller must say which version was read.
 * @throws ApiError PRECONDITION_FAILED when no version of ours can have any of the tags, PRECONDITION_REQUIRED.
 */
export function preconditionOf(headers: ConditionalHeaders, isRequired = false): Precondition | undefined {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers
  if (ifMatch === undefined && isRequired) throw new ApiError('PRECONDITION_REQUIRED')
  const precondition: Precondition = {}
  if (ifMatch !== undefined && ifMatch.trim() !== '*') {
    precondition.anyOf = versionsOf(tags(ifMatch))
    if (precondition.anyOf.length === 0) throw preconditionFailed()
  }
  if (ifNoneMatch?.trim() === '*') precondition.noneOf = '*'
  else if (ifNoneMatch !== undefined) precondition.noneOf = versionsOf(tags(ifNoneMatch).map(strong))
  return precondition.anyOf || precondition.noneOf?.length ? precondition : undefined
}

/** Whether a row of this version may be changed. */
export function isMet({ anyOf, noneOf = [] }: Precondition, version: number): boolean {
  return noneOf !== '*' && !noneOf.includes(version) && (anyOf?.includes(version) ?? true)
}

/** The same, as a condition of the statement that makes the change. */
export function preconditionSql({ anyOf, noneOf = [] }: Precondition, version: AnyPgColumn): SQL | undefined {
  if (noneOf === '*') return sql`false`
  return and(anyOf && inArray(version, anyOf), noneOf.length > 0 ? notInArray(version, noneOf) : undefined)
}

interface ConditionalHeaders {
  'if-match'?: string | undefined
  'if-none-match'?: string | undefined
}

export const preconditionFailed = () => new ApiError('PRECONDITION_FAILED')

const tags = (header: string) => header.split(',').map((tag) => tag.trim())
const strong = (tag: string) => tag.replace(/^W\//, '')
const versionsOf = (all: string[]) => all.flatMap((tag) => /^"(\d{1,9})"$/.exec(tag)?.[1] ?? []).map(Number)
