import { globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api'
import { getTableName, sql } from 'drizzle-orm'
import { type AnyPgColumn, getTableConfig, type PgTable } from 'drizzle-orm/pg-core'
import t from 'tap'
import { selectRaw } from '#src/db/rows.ts'
import { startApp } from '#test/support/app.ts'
import drizzleConfig from '../../drizzle.config.ts'

const folder = (name: string) => `${join(import.meta.dirname, '../..', name)}/`
const modules = await Promise.all(
  globSync(drizzleConfig.schema as string[], { cwd: folder('') }).map((file) => import(folder('') + file))
)

t.test(
  'the migrations make all tables: nothing is left to generate, but to drop those of deleted resources',
  async (t) => {
    const snapshots = readdirSync(folder('migrations/meta')).filter((file) => file.endsWith('_snapshot.json'))
    const last = JSON.parse(readFileSync(folder('migrations/meta') + snapshots.sort().at(-1), 'utf8'))
    const now = generateDrizzleJson(Object.assign({}, ...modules), last.id)
    const left = await generateMigration(last, now)
    t.same(
      left.filter((statement) => !statement.startsWith('DROP TABLE ')),
      []
    )
  }
)

t.test('every filter and sort that a resource declares has an index to start from', async (t) => {
  const { app } = await startApp(t)
  const resources = new Set(app.routeTable.flatMap(({ config }) => config?.resource ?? []))
  t.ok(resources.size >= 5)
  const views = await selectRaw<{ name: string }>(
    app.db,
    sql`select viewname as name from pg_views where schemaname = 'public'`
  )
  for (const { name, table, fields, declaration, columns } of resources) {
    if (views.some((view) => view.name === getTableName(table))) {
      // A view has no indexes: its lists start from the rows of one owner, by an index of the table behind it.
      const owner = columns[declaration.owner as string] as AnyPgColumn
      const plan = await app.db.transaction(async (tx) => {
        await tx.execute(sql`set local enable_seqscan = off`)
        return selectRaw(
          tx,
          sql`explain select id from ${table} where ${owner} = '00000000-0000-0000-0000-000000000000'::uuid order by id`
        )
      })
      t.match(JSON.stringify(plan), /Index.* using \w+_owner/, name)
      continue
    }
    const leading = leadingColumns(table)
    for (const field of new Set([...(declaration.list?.filter ?? []), ...(declaration.list?.sort ?? [])])) {
      const column = fields.get(field)?.column.name as string
      t.ok(leading.has(column), `${name}: ${field}`)
    }
  }
})

function leadingColumns(table: PgTable): Set<string> {
  const { indexes, columns, primaryKeys } = getTableConfig(table)
  const first = indexes.map(({ config }) => (config.columns[0] as { name?: string }).name)
  const unique = columns.filter((column) => column.isUnique || column.primary).map(({ name }) => name)
  return new Set(
    [...first, ...unique, ...primaryKeys.map((key) => key.columns[0]?.name)].filter((name) => name !== undefined)
  )
}
