import { getTableName } from 'drizzle-orm'
import { constraintsOf } from '../../db/constraints.ts'
import { MisuseError } from '../../tools/misuse.ts'
import type { App } from '../open.ts'

/** A resource, as it was declared. */
export type Resource = NonNullable<NonNullable<App['routeTable'][number]['config']>['resource']>

/** A field of a resource and its column. */
export type Field = Resource['fields'] extends Map<string, infer F> ? F : never

/** How many rows a resource gets. */
export interface Seeding {
  resource: Resource
  count: number
}

/** How many rows a resource gets for which no number is given. */
const USUAL_COUNT = 100

/** The resources of an application by their names. Of two with one table, as of two versions, the first counts. */
export function resourcesOf({ routeTable }: App): Map<string, Resource> {
  const tables = new Set<unknown>()
  const found = new Map<string, Resource>()
  for (const resource of routeTable.flatMap(({ config }) => config?.resource ?? [])) {
    if (tables.has(resource.table)) continue
    tables.add(resource.table)
    found.set(resource.name, resource)
  }
  return found
}

/** What a table refers to: the column, by its name in the code, and the column of the other table. */
export function referencesOf({ table }: Resource) {
  return [...constraintsOf(table).values()].flatMap(({ columns: [key], target }) =>
    target && key !== undefined && target.columns.length === 1
      ? [{ key, table: target.table, column: target.columns[0] as (typeof target.columns)[number] }]
      : []
  )
}

// Its own way to create says what else has to happen: stock that is taken, a secret that is hashed.
const canSeed = ({ declaration }: Resource) => declaration.operations?.create === undefined

/**
 * What to seed, what others refer to first. A resource without rows that is referred to gets some, too.
 * @param wanted the numbers of rows by resource; undefined for the resources that no guard checks.
 * @param isEmpty whether the table of a resource has no rows.
 * @throws MisuseError for a resource that is not there, or one with rows that its schema alone does not make.
 */
export function planSeeding(
  resources: Map<string, Resource>,
  wanted: Record<string, number> | undefined,
  isEmpty: (resource: Resource) => boolean
): Seeding[] {
  const counts = new Map<Resource, number>()
  for (const [name, count] of Object.entries(wanted ?? {})) {
    const resource = resources.get(name)
    if (!resource)
      throw new MisuseError(`there is no resource '${name}': there are ${[...resources.keys()].join(', ')}`)
    if (!canSeed(resource)) throw new MisuseError(`${name} are made by rules of their own: make them through the API`)
    counts.set(resource, count)
  }
  if (!wanted) {
    for (const one of resources.values()) if (canSeed(one) && !one.declaration.guard) counts.set(one, USUAL_COUNT)
  }
  const planned = new Set<Resource>()
  const visit = (resource: Resource) => {
    if (planned.has(resource)) return
    planned.add(resource)
    for (const { table } of referencesOf(resource)) {
      const other = [...resources.values()].find((one) => getTableName(one.table) === getTableName(table))
      if (!other || !canSeed(other)) continue
      if (!counts.has(other) && isEmpty(other)) counts.set(other, USUAL_COUNT)
      if (counts.has(other)) visit(other)
    }
    order.push({ resource, count: counts.get(resource) as number })
  }
  const order: Seeding[] = []
  for (const resource of [...counts.keys()]) visit(resource)
  return order
}
