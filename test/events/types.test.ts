import { sql } from 'drizzle-orm'
import t from 'tap'
import { type RecordedTable, setEventTriggers } from '#src/events/triggers.ts'
import { compileResource } from '#src/resource/compile/resource.ts'
import { eventSource, recordedTable } from '#src/resource/events.ts'
import { makeContext } from '#src/resource/rows/batched.ts'
import { startApp } from '#test/support/app.ts'
import { kindRoutes } from '#test/support/fixtures.ts'
import { ddlOf, declare, kinds } from '#test/support/kinds.ts'

const { app, send, someone } = await startApp(t, {}, kindRoutes)
const admin = await someone('admin')
await app.db.execute(sql`create type kind_size as enum ('small', 'medium', 'large')`)
const recorded: RecordedTable[] = []

for (const kind of kinds) {
  t.test(`the events of a ${kind.key} have the values that a read answers`, async (t) => {
    await app.db.execute(ddlOf(kind))
    const resource = compileResource(kind.key, { ...declare(kind), events: true })
    recorded.push(recordedTable(resource))
    await setEventTriggers(app.db, recorded, () => {})
    app.events.add(eventSource(makeContext(app, resource)))
    const rows = []
    for (const [index, value] of (kind.sent ?? kind.values).entries()) {
      const body = { value, ...(index % 2 && { maybe: value }) }
      rows.push((await send('POST', `/api/v1/kinds/${kind.key}`, { as: admin.token, body })).body)
    }
    const principal = { userId: admin.id, role: 'admin', scopes: new Set(['*']) }
    const after = await app.events.read(principal, { types: [`kind${kind.key}.*`] }, { limit: 10 })
    const types = resource.name && app.events.types.filter((type) => type.startsWith(`kind-${kind.key}.`))
    t.equal(types.length, 3)
    const found = await app.events.read(principal, { types: [`kind-${kind.key}.*`] }, { limit: 10 })
    t.same(after, [])
    t.strictSame(
      found.map(({ text }) => JSON.parse(text).data),
      rows
    )
  })
}
