import { sql } from 'drizzle-orm'
import { Affected, whereParameters } from '../query/where.ts'
import type { MakeRoute } from '../route.ts'
import { makeChangeWhere } from './where.ts'

/** `DELETE /`: every row that matches, where the resource opts in. */
export const removeWhereRoute: MakeRoute = ({ resource }) => {
  const changeWhere = makeChangeWhere(resource)
  return {
    method: 'DELETE',
    url: '',
    access: 'delete',
    schema: {
      summary: `Delete ${resource.name} by a filter`,
      querystring: whereParameters(resource),
      response: { 200: Affected }
    },
    change: async (request) => changeWhere(request, sql`delete from ${resource.table} as target using`)
  }
}
