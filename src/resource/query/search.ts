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
    description:
      'Rows that contain every word, or a word that begins with it. Upper and lower case and accents make no difference; a word is a run of letters and digits (`black/white` is two), of which the first 200 characters count, and of a row the first 200,000.',
    examples: ['walnut']
  })
)

// `q` is a parameter only where there is something to search in.
const searchedNames = ({ declaration }: Resource) => (declaration.list as { search: string[] }).search

/** The rows that contain every word of a text, or words that begin so, as a condition that the search index answers. */
export function searchSql(resource: Resource, text: unknown): SQL {
  const columns = searchedNames(resource).map((name) => resource.columns[name] as AnyPgColumn)
  return sql`${searchDocument(columns)} @@ tenon_search_query(${text})`
}
