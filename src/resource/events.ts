import { getTableName, sql } from 'drizzle-orm'
import { asArrays } from '../db/rows.ts'
import type { EventSource } from '../events/log.ts'
import type { RecordedTable } from '../events/triggers.ts'
import type { ResourceContext } from './context.ts'
import { DeclarationError, openRow, type Resource } from './model.ts'
import { attachIncludes } from './rows/includes.ts'

/** The first half of a resource's event types: `product`, `order-line`. */
const eventNoun = ({ declaration: { schema } }: Resource): string =>
  (schema.$id as string)
    .replace(/V\d+$/, '')
    .replace(/(?<=.)[A-Z]/g, '-$&')
    .toLowerCase()

/** The verb of an action's event. */
export function eventVerb({ declaration: { events } }: Resource, action: string): string | undefined {
  return typeof events === 'object' ? events[action] : undefined
}

/** The types of a resource's events, each once; none where it declares no events. */
export function eventTypes(resource: Resource): string[] {
  const { events } = resource.declaration
  if (!events) return []
  const verbs = new Set(['created', 'updated', 'deleted', ...Object.values(events)])
  return [...verbs].map((verb) => `${eventNoun(resource)}.${verb}`)
}

/** What the triggers of a resource's table are told. */
export function recordedTable(resource: Resource): RecordedTable {
  const { name, table, columns, declaration, fields } = resource
  const readable = new Set([...fields.values()].filter(({ schema }) => !schema.writeOnly).map(({ key }) => key))
  const needed = new Set(['id', 'version', declaration.owner, ...pointersOf(resource)])
  const secret = Object.keys(columns).filter((key) => !readable.has(key) && !needed.has(key))
  return {
    table: getTableName(table),
    resource: name,
    noun: eventNoun(resource),
    owner: declaration.owner && columns[declaration.owner]?.name,
    secret: secret.map((key) => columns[key]?.name as string)
  }
}

// The columns by which a row finds what is included in every answer.
const pointersOf = ({ includes }: Resource) => [...includes.values()].flatMap(({ many, by }) => (many ? [] : [by]))

/**
 * A resource as the source of events. The stored row of an event is read back as a row of the table, so the same code
 * makes its answer as that of a read: what a later migration added is null in older events.
 */
export function eventSource(context: ResourceContext): EventSource {
  const { resource, db, statements } = context
  const { name, table, declaration, stored, isPlain } = resource
  return {
    resource: name,
    read: declaration.access.read,
    isOwned: declaration.owner !== undefined,
    types: eventTypes(resource),
    async render(rows) {
      const statement = statements.get('events', (shape) => {
        // drizzle takes a column only from a table of the query.
        const selection = Object.fromEntries(Object.entries(stored.selection).map(([key, one]) => [key, sql`${one}`]))
        const list = sql`jsonb_array_elements(${sql.placeholder('rows')}::jsonb) with ordinality as "@list"("@row", "@place")`
        const from = sql`${list} cross join lateral jsonb_populate_record(null::${table}, "@row") as ${sql.identifier(getTableName(table))}`
        return asArrays(db.select(selection).from(from).orderBy(sql`"@place"`).prepare(shape))
      })
      const values = (await statement.execute({ rows: `[${rows.join(',')}]` })) as unknown[][]
      const found = values.map(stored.read)
      if (isPlain) return found.map(({ wire }) => JSON.stringify(wire))
      const open = found.map(openRow)
      await attachIncludes(context, open)
      return open.map((row) => resource.serialize(row))
    }
  }
}

/** Checks that two resources do not record the events of one table, which has one kind of each trigger. */
export function assertOneSourceEach(resources: Iterable<Resource>): void {
  const names = new Map<unknown, string>()
  for (const { table, name } of resources) {
    const other = names.get(table)
    if (other !== undefined)
      throw new DeclarationError(`${name}: its table already has the events of '${other}': declare them once`)
    names.set(table, name)
  }
}
