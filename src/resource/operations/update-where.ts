import { type TObject, Type } from '@sinclair/typebox'
import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { Columns } from '../model.ts'
import { Affected, whereParameters } from '../query/where.ts'
import type { MakeRoute } from '../route.ts'
import { bareName, commaList, jsonRows, usedColumns } from '../rows/sql.ts'
import { toColumns } from '../write.ts'
import { makeChangeWhere } from './where.ts'

/** `PATCH /`: one patch for every row that matches, where the resource opts in. */
export const updateWhereRoute: MakeRoute = ({ resource }) => {
  const changeWhere = makeChangeWhere(resource)
  return {
    method: 'PATCH',
    url: '',
    access: 'write',
    schema: {
      summary: `Change ${resource.name} by a filter`,
      querystring: whereParameters(resource),
      // A JSON field would have to be merged into each row.
      body: withoutFields(
        resource.variants.Update,
        resource.json.map(({ field }) => field.name)
      ),
      response: { 200: Affected }
    },
    async change(request) {
      const body = request.body as Record<string, unknown>
      return changeWhere(request, updateSql(await toColumns(resource, body)), body)
    }
  }

  function updateSql(values: Columns): SQL {
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
      update ${table} as target
      set ${commaList([...changes, sql`${version} = target.${version} + ${changes.length === 0 ? 0 : 1}`])} from`
  }
}

function withoutFields(update: TObject, names: string[]): TObject {
  if (names.length === 0) return update
  const name = `${update.$id}Where`
  return { ...Type.Omit(update, names), $id: name, title: name }
}
