import { sql } from 'drizzle-orm'
import { selectRaw } from '../../db/rows.ts'
import { Affected, makeParseWhere, type WhereQuery, whereParameters } from '../query/where.ts'
import { type MakeRoute, ownerOf } from '../route.ts'
import { affect } from './update-where.ts'

/** `DELETE /`: every row that matches, where the resource opts in. */
export const removeWhereRoute: MakeRoute = (context) => {
  const { resource } = context
  const parseWhere = makeParseWhere(resource)
  return {
    method: 'DELETE',
    url: '',
    access: 'delete',
    schema: {
      summary: `Delete ${resource.name} by a filter`,
      querystring: whereParameters(resource),
      response: { 200: Affected }
    },
    async change(on, request) {
      const query = request.query as WhereQuery
      const where = parseWhere(query, ownerOf(request, resource))
      const { table, columns } = resource
      return affect(query['max-affected'], (most) =>
        selectRaw(
          on.db,
          sql`
            with matched as materialized (select ${columns.id} as id from ${table} where ${where}),
            done as (
              delete from ${table} as target using matched
              where target.id = matched.id and (select count(*) from matched) <= ${most}
              returning 1
            )
            select (select count(*)::int from matched) as matched, (select count(*)::int from done) as affected`
        )
      )
    }
  }
}
