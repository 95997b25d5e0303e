import { decimalPattern, type FieldSpec } from './fields.ts'

// Written so that no tool takes the imports of the written files for imports of this one.
const [SRC, TEST] = ['#src', '#test']

/** The table that a field refers to. */
export interface Target {
  /** The name that its file exports. */
  table: string
  /** What to import it from. */
  from: string
}

/** What a new resource is. */
export interface ResourceSpec {
  /** Of the folder and the path: `line-items`. */
  name: string
  /** One of them: `LineItem`. */
  singular: string
  fields: FieldSpec[]
  /** By the resource that a field names. */
  targets: Map<string, Target>
}

/** What a field is in the schema and in the table, as source text, and what these import. */
interface Parts {
  schema: string
  /** Without its name. */
  column: string
  fieldHelpers: string[]
  pgTypes: string[]
}

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replaceAll('-', '_')
const camel = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
const UUID = "'0192f0c1-2345-7abc-8def-0123456789ab'"

/** The files of a new resource, by their names. Each line is as Biome would write it, except where one is too long. */
export function filesOf(spec: ResourceSpec): Record<string, string> {
  return {
    'schema.ts': schemaFile(spec),
    'table.ts': tableFile(spec),
    'index.ts': indexFile(spec),
    [`${spec.name}.test.ts`]: testFile(spec)
  }
}

function partsOf({ name, type, isList }: FieldSpec, targets: Map<string, Target>): Parts {
  const column = `'${snake(name)}'`
  const parts = (schema: string, pg: string, helpers: string[] = [], options = ''): Parts => ({
    schema: isList ? `Type.Array(${schema}, { maxItems: 100 })` : schema,
    column: `${pg}(${column}${options})${isList ? '.array()' : ''}`,
    fieldHelpers: helpers,
    pgTypes: pg === 'timestamp' ? [] : [pg]
  })
  switch (type.is) {
    case 'string':
      return parts(`Name({ maxLength: 200, examples: ['${sampleText(name)}'] })`, 'text', ['Name'])
    case 'text':
      return parts(`Type.String({ maxLength: 5000, examples: ['${sampleText(name)}'] })`, 'text')
    case 'integer':
      return parts('Type.Integer({ minimum: -2147483648, maximum: 2147483647, examples: [100] })', 'integer')
    case 'bigint':
      return parts('Type.Integer({ examples: [100] })', 'bigint', [], ", { mode: 'number' }")
    case 'number':
      return parts('Type.Number({ examples: [1.5] })', 'doublePrecision')
    case 'decimal': {
      const { precision, scale } = type
      const example = precision > scale ? '1' : '0'
      const pattern = decimalPattern(type).replaceAll('\\', '\\\\')
      const text = `'${scale === 0 ? example : `${example}.${'5'.padEnd(scale, '0')}`}'`
      const options = `, { precision: ${precision}, scale: ${scale} }`
      return parts(`Type.String({ pattern: '${pattern}', examples: [${text}] })`, 'numeric', [], options)
    }
    case 'boolean':
      return parts('Type.Boolean()', 'boolean')
    case 'timestamp':
      return parts('Timestamp()', 'timestamp', ['Timestamp'])
    case 'date':
      return parts("Type.String({ format: 'date', examples: ['2026-01-31'] })", 'date')
    case 'uuid':
      return parts(`Type.String({ format: 'uuid', examples: [${UUID}] })`, 'uuid')
    case 'json':
      return parts("Type.Unknown({ 'x-any-shape': 'Clients keep what they like here.' })", 'jsonb')
    case 'enum': {
      const literals = type.values.map((value) => `Type.Literal('${value}')`).join(', ')
      return parts(`Type.Union([${literals}])`, 'text')
    }
    default: {
      const made = parts('Reference()', 'uuid', ['Reference'])
      const { table } = targets.get(type.resource) as Target
      return { ...made, column: `${made.column}.references(() => ${table}.id)` }
    }
  }
}

const sampleText = (name: string) => `A ${snake(name).replaceAll('_', ' ')}`

function schemaFile({ singular, fields, targets }: ResourceSpec): string {
  const helpers = new Set(['Id', 'ReadOnly', 'Timestamp'])
  const lines = fields.map((field) => {
    const { schema, fieldHelpers } = partsOf(field, targets)
    for (const helper of fieldHelpers) helpers.add(helper)
    if (field.isNullable) helpers.add('Nullable')
    if (field.default !== undefined) helpers.add('Default')
    const wrapped = field.isNullable ? `Nullable(${schema})` : schema
    return `    ${field.name}: ${field.default === undefined ? wrapped : `Default(${wrapped}, ${field.default})`},`
  })
  return `import { Type } from '@sinclair/typebox'
import { ${[...helpers].sort().join(', ')} } from '${SRC}/schema/fields.ts'

export const ${singular} = Type.Object(
  {
    id: Id(),
${lines.join('\n')}
    createdAt: ReadOnly(Timestamp()),
    updatedAt: ReadOnly(Timestamp())
  },
  { $id: '${singular}', title: '${singular}' }
)
`
}

function tableFile({ name, fields, targets }: ResourceSpec): string {
  const types = new Set(['index', 'pgTable'])
  const columns = new Set(['resourceColumns'])
  const lines = fields.map((field) => {
    const { column, pgTypes } = partsOf(field, targets)
    for (const type of pgTypes) types.add(type)
    if (column.startsWith('timestamp(')) columns.add('timestamp')
    const [made, ...after] = column.split('.references')
    const notNull = field.isNullable ? '' : '.notNull()'
    const unique = field.isUnique ? '.unique()' : ''
    return `    ${field.name}: ${made}${notNull}${unique}${after.map((one) => `.references${one}`).join('')}`
  })
  const table = snake(name)
  const indexes = [...fields.filter(isFiltered).filter(({ isUnique }) => !isUnique), undefined].map((field) => {
    const key = field?.name ?? 'createdAt'
    const made = `index('${table}_${snake(key)}_idx')`
    return field?.isList ? `    ${made}.using('gin', table.${key})` : `    ${made}.on(table.${key}, table.id)`
  })
  const used = fields.flatMap(({ type }) => (type.is === 'ref' ? [targets.get(type.resource) as Target] : []))
  const imports = new Set(used.map((target) => `import { ${target.table} } from '${target.from}'\n`))
  return `import { ${[...types].sort().join(', ')} } from 'drizzle-orm/pg-core'
import { ${[...columns].sort().join(', ')} } from '${SRC}/db/columns.ts'
${[...imports].sort().join('')}
export const ${camel(name)} = pgTable(
  '${table}',
  {
    ...resourceColumns(),
${lines.join(',\n')}
  },
  (table) => [
${indexes.join(',\n')}
  ]
)
`
}

// Long texts are searched and not compared; each filter costs an index.
const isFiltered = ({ type }: FieldSpec) => type.is !== 'text' && type.is !== 'json'
const isSorted = (field: FieldSpec) => isFiltered(field) && !field.isList

function indexFile({ name, singular, fields }: ResourceSpec): string {
  const list = (chosen: FieldSpec[]) => [...chosen.map((field) => `'${field.name}'`), "'createdAt'"].join(', ')
  return `import { defineResource } from '${SRC}/resource/define.ts'
import { ${singular} } from './schema.ts'
import { ${camel(name)} } from './table.ts'

export default defineResource({
  schema: ${singular},
  table: ${camel(name)},
  access: { read: '${name}:read', write: '${name}:write', delete: '${name}:delete' },
  list: {
    filter: [${list(fields.filter(isFiltered))}],
    sort: [${list(fields.filter(isSorted))}]
  }
})
`
}

function testFile({ name }: ResourceSpec): string {
  return `import t from 'tap'
import { startApp } from '${TEST}/support/app.ts'
import { type Declared, declaredResources, newBody } from '${TEST}/support/resources.ts'

const { app, send, someone } = await startApp(t)
const { token: as } = await someone('admin')
const PATH = '/api/v1/${name}'
const all = declaredResources(app)
const declared = all.find(({ path }) => path === PATH) as Declared

t.test('${name} are made, read, changed, listed and deleted', async (t) => {
  // From the examples of the schema, with rows that it refers to.
  const body = await newBody(all, declared, send, as)
  const made = await send('POST', PATH, { as, body })
  t.match(made, { status: 201, body })
  const path = \`\${PATH}/\${made.body.id}\`
  t.strictSame((await send('GET', path, { as })).body, made.body)
  t.equal((await send('PATCH', path, { as, body })).status, 200)
  t.match((await send('GET', \`\${PATH}?id=\${made.body.id}\`, { as })).body.data, [{ id: made.body.id }])
  t.equal((await send('DELETE', path, { as })).status, 204)
  t.equal((await send('GET', path, { as })).status, 404)
})

t.test('without a credential they are refused', async (t) => {
  t.equal((await send('GET', PATH)).status, 401)
})
`
}
