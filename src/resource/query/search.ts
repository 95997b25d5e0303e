import { Type } from '@sinclair/typebox'
import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { searchDocument } from '#src/db/columns.ts'
import type { Resource } from '../model.ts'

/** The query parameter `q`. */
export const searchParameter = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 200,
    description: 'Rows that contain every word, or a word that begins with it.',
    examples: ['walnut']
  })
)

// `q` is a parameter only where there is something to search in.
const searchedNames = ({ declaration }: Resource) => (declaration.list as { search: string[] }).search

/** The rows that contain every word of a query, as a condition that the search index answers. */
export function searchSql(resource: Resource, query: unknown): SQL {
  const columns = searchedNames(resource).map((name) => resource.columns[name] as AnyPgColumn)
  return sql`${searchDocument(columns)} @@ to_tsquery('simple'::regconfig, ${query})`
}

/** What a caller typed as a tsquery: every word, each as a prefix. Quoted, so that no character is an operator. */
export function searchQuery(text: string): string {
  const words = text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word))
  return words.map((word) => `'${word.replace(/['\\]/g, '$&$&')}':*`).join(' & ')
}
