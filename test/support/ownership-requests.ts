import { keysOf } from '#src/resource/bulk/constraints.ts'
import { type Declared, has } from '#test/support/resources.ts'

/** A request of a test, sent once about another user's row and once about a row that does not exist. */
export interface Ask {
  name: string
  method: string
  url: string
  headers?: Record<string, string>
  body?: unknown
}

/** What the requests are about. */
export interface Subject {
  /** The row. */
  id: string
  /** The user that it belongs to. */
  ownerId: string
  /** A row of the caller, named beside it. */
  own: string
  /** The ETag of the other user's row. */
  etag: string
  /** A patch that the row takes. */
  patch: object
}

const preconditions = (etag: string): Record<string, string>[] => [
  {},
  { 'if-match': etag },
  { 'if-match': '"7"' },
  { 'if-match': '*' },
  { 'if-match': `W/${etag}` },
  { 'if-match': `"7", ${etag}` },
  { 'if-none-match': etag },
  { 'if-none-match': '*' },
  { 'if-modified-since': 'Thu, 01 Jan 2099 00:00:00 GMT' }
]
const PREFERENCES = ['return=minimal', 'return=representation', 'tx=rollback', 'return=minimal, tx=rollback']
const DRY_RUN = { prefer: 'tx=rollback' }
const NDJSON = { 'content-type': 'application/x-ndjson' }

const titled = (ask: Omit<Ask, 'name'>): Ask => ({
  name: `${ask.method} ${ask.url} ${JSON.stringify(ask.headers ?? {})} ${JSON.stringify(ask.body) ?? ''}`,
  ...ask
})

/** Every request by which a caller can ask for one row of a resource, through all operations that it has. */
export function asksFor(declared: Declared, subject: Subject): Ask[] {
  return [...ofOne(declared, subject), ...ofMany(declared, subject), ...ofFilters(declared, subject)].map(titled)
}

function ofOne({ path, routes }: Declared, { id, patch, etag }: Subject) {
  const asks: Omit<Ask, 'name'>[] = []
  for (const { method, url } of routes.filter((route) => route.url.startsWith('/:id'))) {
    const one = { method, url: path + url.replace(':id', id) }
    const body = method === 'PATCH' || method === 'PUT' ? { body: patch } : {}
    for (const headers of preconditions(etag)) {
      asks.push({ ...one, headers, ...body })
      if (method === 'GET') asks.push({ ...one, method: 'HEAD', headers })
    }
    if (method === 'GET') {
      asks.push(
        { ...one, url: `${one.url}?fields=id` },
        { ...one, url: one.url.toUpperCase().replace(/^.*\//, `${path}/`) }
      )
      continue
    }
    for (const prefer of PREFERENCES)
      for (const precondition of preconditions(etag).slice(0, 2))
        asks.push({ ...one, headers: { prefer, ...precondition }, ...body })
    asks.push({ ...one, headers: { 'idempotency-key': `key-${method}-${id}` }, ...body })
    for (const wrong of 'body' in body ? [{}, { unknownField: 1 }, { id }] : []) asks.push({ ...one, body: wrong })
  }
  return asks
}

function ofMany(declared: Declared, { id, own, patch }: Subject) {
  const asks: Omit<Ask, 'name'>[] = []
  const url = `${declared.path}/bulk`
  const add = (method: string, bodies: object[]) => {
    if (!has(declared, method, '/bulk')) return
    for (const body of bodies)
      for (const query of ['', '?mode=partial'])
        for (const prefer of ['tx=rollback', 'tx=rollback, return=minimal'])
          asks.push({ method, url: url + query, headers: { prefer }, body })
  }
  add('PATCH', [
    { items: [{ id, ...patch }] },
    { items: [{ id }] },
    { items: [{ id, unknownField: 1 }] },
    { items: [{ id: own }, { id, ...patch }] },
    { items: [{ id }, { id }] },
    { items: Object.entries(patch).map(([name, value]) => ({ id, [name]: value })) }
  ])
  add('DELETE', [{ ids: [id] }, { ids: [own, id] }, { ids: [id, id] }, { ids: [id.toUpperCase(), own] }])
  return asks
}

function ofFilters(declared: Declared, { id, ownerId, own, patch }: Subject) {
  const { path, resource } = declared
  const asks: Omit<Ask, 'name'>[] = []
  const filters = resource.declaration.list?.filter as string[] | undefined
  const owner = [...resource.fields.values()].find(({ key }) => key === resource.declaration.owner)?.name
  const conditions = [`id=${id}`, `id[in]=${id},${own}`, `or=(id=${id},id=${own})`, `or=(id=${id},not(id=${own}))`]
  if (owner && filters?.includes(owner)) conditions.push(`${owner}=${ownerId}`, `or=(${owner}=${ownerId},id=${own})`)
  const reads = ['', '/aggregate', '/export'].filter((url) => has(declared, 'GET', url))
  for (const condition of conditions) {
    for (const url of reads) {
      asks.push({ method: 'GET', url: `${path}${url}?${condition}` })
      asks.push({ method: 'HEAD', url: `${path}${url}?${condition}` })
    }
    for (const more of ['count=exact', 'count=estimated', 'count=exact&limit=1', 'limit=1', 'fields=id', 'offset=1'])
      asks.push({ method: 'GET', url: `${path}?${condition}&${more}` })
    for (const include of Object.keys(resource.declaration.include ?? {})) {
      if (resource.declaration.schema.properties[include]) continue
      asks.push({ method: 'GET', url: `${path}?${condition}&include=${include}` })
    }
    if (has(declared, 'GET', '/export'))
      asks.push({ method: 'GET', url: `${path}/export?${condition}`, headers: { accept: 'text/csv' } })
    for (const most of [0, 1, 9]) {
      const where = `${path}?max-affected=${most}&${condition}`
      if (has(declared, 'DELETE', '')) asks.push({ method: 'DELETE', url: where, headers: DRY_RUN })
      if (has(declared, 'PATCH', ''))
        asks.push({ method: 'PATCH', url: where, headers: DRY_RUN, body: plain(declared, patch) })
    }
  }
  return asks
}

// A JSON field cannot be changed over a filter.
const plain = ({ resource }: Declared, patch: object) =>
  Object.fromEntries(Object.entries(patch).filter(([name]) => !resource.json.some(({ field }) => field.name === name)))

/** Every request by which a caller can write a row that has the unique values of `body`. Nothing of it stays. */
export function conflictsWith(declared: Declared, body: Record<string, unknown>): Ask[] {
  const { path, resource } = declared
  const { upserts } = keysOf(resource)
  const asks: Omit<Ask, 'name'>[] = []
  if (has(declared, 'POST', '')) asks.push({ method: 'POST', url: path, headers: DRY_RUN, body })
  for (const onConflict of ['fail', 'skip']) asks.push(...writesOf(declared, [body], { onConflict }))
  for (const { name, fields } of upserts) {
    const key = Object.fromEntries(fields.map((field) => [field, body[field]]))
    const others = Object.entries(body).filter(([field]) => !fields.includes(field))
    const items = [body, key, ...others.map(([field, value]) => ({ ...key, [field]: value }))]
    for (const onConflict of ['update', 'replace'])
      for (const item of items) asks.push(...writesOf(declared, [item], { onConflict, conflictKey: name }))
  }
  return asks.map(titled)
}

function writesOf(declared: Declared, items: object[], how: Record<string, string>): Omit<Ask, 'name'>[] {
  const { path } = declared
  const asks: Omit<Ask, 'name'>[] = []
  if (has(declared, 'POST', '/bulk'))
    for (const mode of ['atomic', 'partial'])
      asks.push({ method: 'POST', url: `${path}/bulk?mode=${mode}`, headers: DRY_RUN, body: { items, ...how } })
  if (has(declared, 'POST', '/import')) {
    const lines = items.map((item) => `${JSON.stringify(item)}\n`).join('')
    asks.push({
      method: 'POST',
      url: `${path}/import?${new URLSearchParams(how)}`,
      headers: { ...DRY_RUN, ...NDJSON },
      body: lines
    })
  }
  return asks
}
