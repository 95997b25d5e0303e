import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { selectRaw } from '../../db/rows.ts'
import type { Answer } from '../answer.ts'
import { bareName, type Columns, commaList, jsonRows, usedColumns } from '../batch/sql.ts'
import { Affected, makeParseWhere, tooManyAffected, type WhereQuery, whereParameters } from '../query/where.ts'
import { type MakeRoute, ownerOf } from '../route.ts'
import { toColumns } from '../write.ts'

/** `PATCH /`: one patch for every row that matches, where the resource opts in. */
export const updateWhereRoute: MakeRoute = (context) => {
  const { resource } = context
  const parseWhere = makeParseWhere(resource)
  return {
    method: 'PATCH',
    url: '',
    access: 'write',
    schema: {
      summary: `Change ${resource.name} by a filter`,
      querystring: whereParameters(resource),
      body: resource.variants.Update,
      response: { 200: Affected }
    },
    async change(on, request) {
      const query = request.query as WhereQuery
      const where = parseWhere(query, ownerOf(request, resource))
      const values = await toColumns(resource, request.body as Record<string, unknown>)
      return affect(query['max-affected'], (most) => selectRaw(on.db, updateSql(values, where, most)))
    }
  }

  function updateSql(values: Columns, where: SQL, most: number): SQL {
    const { table, columns } = resource
    const names = commaList(usedColumns(resource, [values]).map(bareName))
    const changes =
      Object.keys(values).length === 0
        ? []
        : [
            sql`(${names}) = (select ${names} from jsonb_populate_recordset(target, ${jsonRows(resource, [values])}::jsonb))`,
            sql`${bareName(columns.updatedAt as AnyPgColumn)} = now()`
          ]
    const version = bareName(columns.version as AnyPgColumn)
    return sql`
      with matched as materialized (select ${columns.id} as id from ${table} where ${where}),
      done as (
        update ${table} as target
        set ${commaList([...changes, sql`${version} = target.${version} + ${changes.length === 0 ? 0 : 1}`])}
        from matched where target.id = matched.id and (select count(*) from matched) <= ${most}
        returning 1
      )
      select (select count(*)::int from matched) as matched, (select count(*)::int from done) as affected`
  }
}

/** Runs a change over a filter. @throws ApiError TOO_MANY_AFFECTED, with the number, when more rows match than may. */
export async function affect(
  most: number,
  run: (most: number) => Promise<{ matched: number; affected: number }[]>
): Promise<Answer> {
  const [{ matched, affected }] = (await run(most)) as [{ matched: number; affected: number }]
  if (matched > most) throw tooManyAffected(matched, most)
  return { status: 200, headers: {}, body: { affected } }
}
