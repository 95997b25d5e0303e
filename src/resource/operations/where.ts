import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { FastifyRequest } from 'fastify'
import { causeOf } from '#src/events/cause.ts'
import type { Perform } from '#src/http/change.ts'
import type { Database } from '../../db/database.ts'
import { selectRaw } from '../../db/rows.ts'
import type { Principal } from '../../identity/principal.ts'
import { caused, causeIn } from '../caused.ts'
import type { ResourceContext } from '../context.ts'
import type { Resource } from '../model.ts'
import { makeParseWhere, tooManyAffected, type WhereQuery } from '../query/where.ts'
import { ownerOf } from '../rows/ownership.ts'
import { arrayText } from '../rows/sql.ts'

/**
 * Makes the function that changes every row that the query of a request matches, in one statement that counts them
 * first. It throws ApiError TOO_MANY_AFFECTED, with the number, when more rows match than may.
 */
export function makeChangeWhere(resource: Resource) {
  const parseWhere = makeParseWhere(resource)
  const id = resource.columns.id as AnyPgColumn

  /** @param action what is done to the rows of `matched`, as far as its `using` or `from`. */
  return function changeWhere(request: FastifyRequest, action: SQL, body?: object): Perform<ResourceContext> {
    const query = request.query as WhereQuery
    const where = parseWhere(query, ownerOf(request, resource))
    const most = query['max-affected']
    const affect = async (db: Database, matches: SQL) => {
      const counted = await selectRaw<Counted>(
        db,
        sql`
          with counted as materialized (select count(*) as matched from ${resource.table} where ${matches}),
          matched as materialized (
            select ${id} as id from ${resource.table}
            where ${matches} and (select matched from counted) <= ${most} order by ${id} for update
          ),
          done as (
            ${action} matched where target.id = matched.id returning 1
          )
          select (select matched::int from counted) as matched, (select count(*)::int from done) as affected`
      )
      const [{ matched, affected }] = counted as [Counted]
      if (matched > most) throw tooManyAffected(matched, most)
      return { status: 200, headers: {}, body: { affected } }
    }
    const { guard } = resource.declaration
    const change = async (db: Database) => {
      if (!guard) return affect(db, where)
      return db.transaction(async (tx) => {
        const rows = await tx
          .select({ id })
          .from(resource.table)
          .where(where)
          .orderBy(id)
          .limit(most + 1)
          .for('update')
        if (rows.length > most) throw tooManyAffected(await tx.$count(resource.table, where), most)
        const items = rows.map((row) => ({ id: row.id as string, body }))
        const { principal } = request
        const judge = await guard({ db: tx, principal: principal as Principal, cause: causeOf(request), items })
        for (const item of items) judge(item)
        // Only the rows that the guard saw: others may have come to match since.
        return affect(tx, sql`${id} = any(${arrayText(items.map((item) => item.id))}::uuid[])`)
      })
    }
    return ({ db }) => caused(db, causeIn(request, resource), change)
  }
}

interface Counted {
  matched: number
  affected: number
}
