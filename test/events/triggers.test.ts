import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { buildApp } from '#src/app.ts'
import { setEventTriggers, tablesWithOtherTriggers } from '#src/events/triggers.ts'
import { recordedTable } from '#src/resource/events.ts'
import type { Resource } from '#src/resource/model.ts'
import { startApp, testConfig } from '#test/support/app.ts'
import { createDatabase } from '#test/support/database.ts'

const { app } = await startApp(t)
const ignore = () => {}
const resources = app.routeTable.flatMap(({ config }) => (config?.resource ? [config.resource] : []))
const named = (name: string) => resources.find((one) => one.name === name) as Resource
const declared = ['items', 'orders', 'products'].map((name) => recordedTable(named(name)))

t.test('the migration made the triggers that the resources declare', async (t) => {
  t.same(await tablesWithOtherTriggers(app.db, declared), [])
})

t.test('triggers follow the declaration: made, made anew, and dropped', async (t) => {
  const categories = { ...recordedTable(named('categories')), secret: ['description', 'a "b"'] }
  t.same(await tablesWithOtherTriggers(app.db, [...declared, categories]), ['categories'])
  await setEventTriggers(app.db, [...declared, categories], ignore)
  t.same(await tablesWithOtherTriggers(app.db, [...declared, categories]), [])
  await app.db.execute(sql`insert into categories (id, name, description) values (gen_random_uuid(), 'A', 'secret')`)
  const [row] = await app.db
    .select({ type: sql`type`, stored: sql<object | string>`stored` })
    .from(sql`events`)
    .where(sql`resource = 'categories'`)
  const stored = typeof row?.stored === 'string' ? JSON.parse(row.stored) : row?.stored
  t.match(row, { type: 'category.created' })
  t.match(stored, { name: 'A' })
  t.notOk('description' in stored)

  t.same(await tablesWithOtherTriggers(app.db, [...declared, { ...categories, secret: [] }]), ['categories'])
  await app.db.execute(sql`drop trigger tenon_event_updated on categories`)
  t.same(await tablesWithOtherTriggers(app.db, [...declared, categories]), ['categories'])
  t.same(await tablesWithOtherTriggers(app.db, declared), ['categories'])
  await setEventTriggers(app.db, declared, ignore)
  t.same(await tablesWithOtherTriggers(app.db, declared), [])
})

t.test('what callers never read, of whichever resource, is in no event', async (t) => {
  for (const resource of resources) {
    const { secret } = recordedTable(resource)
    for (const field of resource.fields.values()) {
      t.equal(secret.includes(field.column.name), field.schema.writeOnly === true, `${resource.name}.${field.name}`)
    }
  }
  t.ok(recordedTable(named('users')).secret.includes('password_hash'))
  t.ok(recordedTable(named('api-keys')).secret.length > 0)
})

t.test('a start without migrations says which table has no triggers', async (t) => {
  const database = await createDatabase(t)
  const first = await buildApp(testConfig(database, { MIGRATE_ON_START: 'true' }))
  await first.db.execute(sql`drop trigger tenon_event_created on items`)
  await first.close()
  const lines: string[] = []
  const log = { write: (line: string) => lines.push(line) > 0 }
  const second = await buildApp(testConfig(database, { LOG_LEVEL: 'warn' }), { log })
  t.match(lines.join(''), /those of 'items' are not as declared/)
  await second.close()
  const third = await buildApp(testConfig(database, { MIGRATE_ON_START: 'true' }))
  t.same(await tablesWithOtherTriggers(third.db, declared), [])
  await third.close()
})

t.test('two resources that record the events of one table stop the start', async (t) => {
  const folder = mkdtempSync(join(import.meta.dirname, '../fixtures/twice-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const name of ['items', 'things']) {
    const place = join(folder, 'api/v1', name)
    mkdirSync(place, { recursive: true })
    writeFileSync(
      join(place, 'index.ts'),
      `import { Item } from '#routes/api/v1/items/schema.ts'
import { items } from '#routes/api/v1/items/table.ts'
import { defineResource } from '#src/resource/define.ts'
const access = { read: 'items:read', write: 'items:write', delete: 'items:delete' }
export default defineResource({ schema: { ...Item, $id: '${name}' }, table: items, access, events: true })
`
    )
  }
  const database = await createDatabase(t)
  await t.rejects(buildApp(testConfig(database), { routes: folder }), {
    message: "things: its table already has the events of 'items': declare them once"
  })
})
