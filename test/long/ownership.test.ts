import { isDeepStrictEqual } from 'node:util'
import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { v7 } from 'uuid'
import { roles } from '#src/identity/tables/roles.ts'
import { keysOf } from '#src/resource/bulk/constraints.ts'
import type { Resource } from '#src/resource/model.ts'
import { createBadges } from '#test/fixtures/routes/api/v1/badges/index.ts'
import { createSlots } from '#test/fixtures/routes/api/v1/slots/index.ts'
import { type Someone, startApp, type TestApp } from '#test/support/app.ts'
import { fixtures } from '#test/support/fixtures.ts'
import { type Ask, asksFor, conflictsWith } from '#test/support/ownership-requests.ts'
import { type Declared, declaredResources, newBody } from '#test/support/resources.ts'

// The same promises for every resource with an owner, from its declaration alone: of the example, and of the fixtures.
t.setTimeout(300_000)
const UNLIMITED = { RATE_LIMIT_ENABLED: 'false' }
const example = await startApp(t, UNLIMITED)
const withFixtures = await startApp(t, UNLIMITED, fixtures)
for (const statement of [createSlots, createBadges]) await withFixtures.app.db.execute(statement)
// Before the first test: tap takes a file for done when its tests are, also while it waits for something.
const apps = [await prepare(example), await prepare(withFixtures)]
const OF_EACH_ANSWER = new Set(['date', 'server-timing'])
const UUID = /[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/gi
const MOMENT = /\d{4}-\d\d-\d\dT[\d:.]+Z/g
const AT_ONCE = 16
let rowsMade = 0

interface Asked {
  asks: Ask[]
  /** Values by which the requests differ. */
  masked: string[]
}

const tested = new Set<string>()
for (const one of apps) {
  for (const declared of one.owned) {
    // The fixtures have orders again, without the products that they need.
    if (!tested.has(declared.path)) testOwnership(one, declared)
    tested.add(declared.path)
  }
}
t.ok(tested.size >= 6)

interface Prepared extends TestApp {
  all: Declared[]
  owned: Declared[]
  /** Makes what the rows point to. */
  root: Someone
  caller: Someone
  /** The user that owns the rows the caller asks for. */
  other: Someone
}

/** An application with two users that have all scopes of an owner. */
async function prepare(one: TestApp): Promise<Prepared> {
  const all = declaredResources(one.app)
  // Jobs are made by other requests: test/resource/respond-async.test.ts asks for those of another user.
  const isWritten = ({ variants }: Resource) => Object.keys(variants.Create.properties).length > 0
  const owned = all.filter(({ resource }) => resource.declaration.owner && isWritten(resource))
  const scopes = owned.flatMap(({ resource: { declaration } }) => Object.values(declaration.access))
  await one.app.db.insert(roles).values({ name: 'owner', scopes: [...new Set([...scopes, 'products:write'])] })
  const [root, caller, other] = [await one.someone('admin'), await one.someone('owner'), await one.someone('owner')]
  return { ...one, all, owned, root, caller, other }
}

function testOwnership({ app, send, all, root, caller, other }: Prepared, declared: Declared) {
  const { path, resource } = declared
  const { declaration, name } = resource
  const owner = declaration.owner as string

  t.test(`${path}: another user's row answers as a row that does not exist`, async (t) => {
    const { mine, theirs, another } = await rows()
    const patch = patchOf(await newOf())
    const none = { id: v7(), ownerId: v7() }
    const etags = () => Promise.all([theirs, another].map(({ id }) => etagOf(id)))
    const before = await etags()
    const subject = { own: mine.id, patch, etag: before[0] as string }
    const asksTheirs = asksFor(declared, { ...subject, id: theirs.id, ownerId: theirs.user.id })
    const asksNone = asksFor(declared, { ...subject, ...none })
    await compare(
      t,
      { asks: asksTheirs, masked: [theirs.id, theirs.user.id] },
      { asks: asksNone, masked: [none.id, none.ownerId] },
      mine
    )
    t.same(await etags(), before, 'nothing was changed')
    for (const { method, url, action } of steps()) {
      const body = method === 'PATCH' || method === 'PUT' ? { body: patch } : {}
      const dryRun: Record<string, string> = method === 'GET' ? {} : { prefer: 'tx=rollback' }
      const sent = { as: theirs.user.token, headers: dryRun, ...body }
      const answer = await send(method, `${path}${url.replace(':id', theirs.id)}`, sent)
      t.ok(answer.status < 300, `${action} is there for the owner: ${answer.status} ${answer.text}`)
    }
  })

  const { uniques } = keysOf(resource)
  for (const { keys } of uniques) {
    const isOfOwner = keys.includes(owner)
    const promise = isOfOwner
      ? 'what another user has is not taken'
      : 'a value that another user has is taken, and nothing else of the row is told'
    t.test(`${path} (${keys.join()}): ${promise}`, async (t) => {
      const { mine, theirs, another } = await rows()
      const keyFields = [...resource.fields.values()].filter(({ key }) => key !== owner && keys.includes(key))
      const withKeyOf = (row: Record<string, unknown>) => ({
        ...mine.body,
        ...Object.fromEntries(keyFields.map(({ name }) => [name, row[name]]))
      })
      const free = await newOf()
      const [one, two] = isOfOwner ? [theirs.body, free] : [theirs.body, another.body]
      const about = (row: Record<string, unknown>) => ({
        asks: conflictsWith(declared, withKeyOf(row)),
        masked: keyFields.map(({ name }) => String(row[name]))
      })
      await compare(t, about(one), about(two), mine)
    })
  }

  // The operations of one row that the owner may take, by what they are called.
  function steps() {
    return declared.routes
      .filter(({ url }) => url.startsWith('/:id'))
      .filter(({ url }) => declaration.actions?.[url.slice('/:id/'.length)]?.rows !== 'all')
      .map((route) => ({ ...route, action: `${route.method} ${route.url}` }))
  }

  // A row of the caller and two of another user, which differ in all that may differ.
  async function rows() {
    const another = await make(other)
    const numbers = Object.entries(resource.variants.Create.properties).filter(([, { type }]) => type === 'integer')
    for (const [index, [field]] of numbers.entries()) {
      another.body[field] = 50 + 10 * index
      const column = resource.fields.get(field)?.column.name as string
      await app.db.execute(
        sql`update ${resource.table} set ${sql.identifier(column)} = ${another.body[field]} where id = ${another.id}`
      )
    }
    return { mine: await make(caller), theirs: await make(other), another }
  }

  const etagOf = async (id: string) => (await send('GET', `${path}/${id}`, { as: other.token })).headers.etag as string

  async function make(user: Someone) {
    const body = await newOf()
    const created = await send('POST', path, { as: user.token, body })
    t.equal(created.status, 201, `${path}: ${created.text}`)
    return { id: created.body.id as string, user, body }
  }

  async function newOf(): Promise<Record<string, unknown>> {
    rowsMade += 1
    const body = await newBody(all, declared, send, root.token)
    for (const field of keysOf(resource).uniques.flatMap(({ keys }) => keys))
      if (typeof body[field] === 'string') body[field] = `value-${1000 + rowsMade}`
    return { ...body, ...(name === 'api-keys' && { expiresAt: null }) }
  }

  function patchOf(body: Record<string, unknown>): Record<string, unknown> {
    const names = Object.keys(resource.variants.Update.properties)
    return Object.fromEntries(Object.entries(body).filter(([field]) => names.includes(field)))
  }

  // Sends both, many at a time: none of them changes anything.
  async function compare(t: Test, one: Asked, two: Asked, { id, user }: { id: string; user: Someone }) {
    t.ok(one.asks.length > 0)
    const differences: unknown[] = []
    for (let from = 0; from < one.asks.length; from += AT_ONCE) {
      const asks = one.asks.slice(from, from + AT_ONCE)
      await Promise.all(
        asks.map(async (ask, index) => {
          const [toOne, toTwo] = await Promise.all([
            told(ask, user, one.masked, id),
            told(two.asks[from + index] as Ask, user, two.masked, id)
          ])
          if (!isDeepStrictEqual(toOne, toTwo)) differences.push({ ask: ask.name, toOne, toTwo })
        })
      )
    }
    t.same(differences, [])
  }

  /** An answer without what differs between any two: what was asked for, ids that are new, moments, and timing. */
  async function told(ask: Ask, { token }: Someone, asked: string[], own: string) {
    const { method, url, body, headers } = ask
    const {
      status,
      headers: sent,
      text
    } = await send(method, url, { as: token, headers: { ...headers, 'x-request-id': 'one' }, body })
    const same = (value: string) => {
      let masked = value
      for (const one of asked) masked = masked.replaceAll(new RegExp(one, 'gi'), '<asked>')
      return masked.replaceAll(own, '<own>').replaceAll(UUID, '<id>').replaceAll(MOMENT, '<moment>')
    }
    const kept = Object.entries(sent).filter(([header]) => !OF_EACH_ANSWER.has(header))
    return { status, headers: kept.map(([header, value]) => [header, same(String(value))]), body: same(text) }
  }
}
