import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
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

/** The ETag of a row as it is stored: its version, which every change raises. */
export const etagOf = (version: number): string => `"${version}"`

/**
 * The ETag of what is answered of a row where that is not the whole row and nothing else (RFC 9110, section 8.8.1): it
 * differs for other fields, and moves when what is included or computed does. A change takes it as one of the row's.
 */
export const partEtag = (version: number, body: string): string => `"${version}-${digest(body)}"`

/**
 * The ETag of a page of a list, for caches. Weak, since 32 bits tell a change from none and no more: of 18 kB they take
 * 9 µs, SHA-256 takes twice that.
 */
export const pageEtag = (body: string): string => `W/"${body.length.toString(36)}-${crc32(body).toString(36)}"`

const digest = (body: string) => hash('sha256', body).slice(0, 16)

/** Whether `If-None-Match` names the version that would be sent (RFC 9110, section 13.1.2: compared weakly). */
export function isNotModified(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  const current = strong(etag)
  return ifNoneMatch === '*' || tags(ifNoneMatch).some((tag) => strong(tag) === current)
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
const versionsOf = (all: string[]) =>
  all.flatMap((tag) => /^"(\d{1,9})(?:-[0-9a-f]{16})?"$/.exec(tag)?.[1] ?? []).map(Number)
