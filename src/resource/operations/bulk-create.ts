import { type TSchema, Type } from '@sinclair/typebox'
import { type Fault, validationFailed } from '#src/errors.ts'
import { documentedAs } from '../../schema/fields.ts'
import type { Asked } from '../asked.ts'
import { BULK_BODY_LIMIT, BulkAnswer, BulkQuery, bulkChange, listBody } from '../bulk/bulk.ts'
import { type Keys, keysOf } from '../bulk/constraints.ts'
import type { OnConflict } from '../bulk/insert-many.ts'
import { prepareCreate, prepareUpsert, type Sent, upsertItem } from '../bulk/prepare.ts'
import { type Write, withCause } from '../bulk/settle.ts'
import { insertGuarded, upsertGuarded } from '../bulk/with-guard.ts'
import { causeIn } from '../caused.ts'
import type { Resource } from '../model.ts'
import { changeAsJob } from '../respond-async/run-change.ts'
import type { MakeRoute } from '../route.ts'
import { ownerOf } from '../rows/ownership.ts'

/** `POST /bulk`: up to 1,000 new rows in one statement. */
export const bulkCreateRoute: MakeRoute = (context) => {
  const { resource } = context
  const keys = keysOf(resource)
  const writeOf = makeWriteOf(resource, keys)
  async function change(asked: Asked) {
    const { items, ...how } = asked.body as { items: unknown[] } & Conflict
    return bulkChange(asked, { resource, bodies: items, path: '/items', ...writeOf(asked, how) })
  }
  return {
    method: 'POST',
    url: '/bulk',
    access: 'write',
    bodyLimit: BULK_BODY_LIMIT,
    schema: {
      summary: `Create many ${resource.name}`,
      description: 'Up to 1,000 in one statement, with one result for each.',
      querystring: BulkQuery,
      body: listBody('items', itemSchema(resource, keys), conflictSchemas(keys)),
      response: { 200: BulkAnswer }
    },
    change,
    asJob: changeAsJob(context, change, 'items')
  }
}

/** What happens to items with a key that is taken, and which key that is. */
export interface Conflict {
  onConflict: OnConflict
  conflictKey?: string
}

/** Makes the function that a bulk create or an import of a resource writes its items with. */
export function makeWriteOf(resource: Resource, keys: Keys) {
  const create = prepareCreate(resource)
  const upserts = { update: prepareUpsert(resource, false), replace: prepareUpsert(resource, true) }

  return function writeOf(request: Asked, { onConflict, conflictKey }: Conflict, part: Part = 'body') {
    const { principal } = request
    const common = { resource, keys, onConflict, ownerId: ownerOf(request, resource) }
    const caused = (write: Write<Sent>) => withCause(causeIn(request, resource), write)
    if (onConflict === 'fail' || onConflict === 'skip')
      return { key: undefined, prepare: create(principal?.userId), write: caused(insertGuarded(common, request)) }
    // The schema fills in the key of a resource that has one or declares one.
    const key = keys.upserts.find(({ name }) => name === conflictKey)
    if (!key) throw validationFailed([{ in: part, path: '/conflictKey', code: 'required', message: 'is required' }])
    const prepare = upserts[onConflict](principal?.userId, key)
    return { key, prepare, write: caused(upsertGuarded({ ...common, key }, request)) }
  }
}

type Part = Fault['in']

/** The choices for items with a key that is taken. Changing the stored row needs a key that the resource declares. */
export function conflictSchemas({ upserts, upsert }: Keys): Record<string, TSchema> {
  const names = upserts.map(({ name }) => name)
  const changes =
    'A stored row with the same key: `update` sets what the item has and nothing else, so the key is enough; `replace` sets the whole row.'
  const onConflict = Type.Unsafe<OnConflict>({
    type: 'string',
    enum: ['fail', 'skip', ...(names.length > 0 ? ['update', 'replace'] : [])],
    default: 'fail',
    description: `\`fail\`: an item whose unique value is taken is refused. \`skip\`: it is passed over.${names.length > 0 ? ` ${changes}` : ''}`
  })
  const conflictKey = Type.Unsafe<string>({
    type: 'string',
    enum: names,
    ...(upsert && { default: upsert.name }),
    description: 'The unique fields by which `update` and `replace` know a row again.'
  })
  return { onConflict: Type.Optional(onConflict), ...(names.length > 0 && { conflictKey: Type.Optional(conflictKey) }) }
}

/** One item: a complete row, or, with a key, also a change of a stored row. */
function itemSchema(resource: Resource, { upsert }: Keys): TSchema {
  const { Create } = resource.variants
  return documentedAs(Type.Unknown(), upsert ? Type.Union([Create, upsertItem(resource, upsert)]) : Create)
}
