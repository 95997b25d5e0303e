import { type TObject, type TSchema, Type } from '@sinclair/typebox'
import { asc, desc, type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { validationFailed } from '../../errors.ts'
import { bare, Nullable } from '../../schema/fields.ts'
import { jsonTypeOf } from '../compile/check-types.ts'
import type { Field, Resource } from '../model.ts'
import { type GroupKey, groupKeys, keysNamed } from '../query/buckets.ts'
import { type ConditionQuery, conditionParameters, makeParseConditions } from '../query/conditions.ts'
import { filterSql } from '../query/filter.ts'
import { havingParameter, havingSql } from '../query/having.ts'
import type { MakeRoute } from '../route.ts'
import { ownerOf } from '../rows/ownership.ts'
import type { ColumnType } from '../types/column-type.ts'

const MAX_GROUPS = 1000
const MAX_GROUP_FIELDS = 4

type Function = 'sum' | 'avg' | 'min' | 'max'

const FUNCTIONS: Record<Function, (field: Field) => SQL> = {
  sum: (field) => sql`sum(${field.column})`.mapWith(field.type.reader(field.schema)),
  avg: (field) => sql`avg(${field.column})`.mapWith(isText(field) ? String : exact),
  min: (field) => sql`min(${field.column})`.mapWith(field.type.reader(field.schema)),
  max: (field) => sql`max(${field.column})`.mapWith(field.type.reader(field.schema))
}

// Values that stay text, since they may have more digits than a number can hold.
const isText = ({ schema }: Field) => jsonTypeOf(schema) === 'string'

// A number, or its text when a number cannot hold it exactly: sums of integers can become that large.
function exact(value: unknown): number | string {
  const number = Number(value)
  return Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number : String(value)
}

const Exact = (field: Field, description: string) =>
  Nullable(
    isText(field)
      ? Type.String({ description: 'Exact.', examples: ['19.90'] })
      : Type.Unsafe<number | string>({ type: ['number', 'string'], description, examples: [3] })
  )

interface AggregateQuery extends ConditionQuery, Partial<Record<Function, string[]>> {
  groupBy?: string[]
  having?: string
  sort?: string[]
  limit?: number
}

/** `GET /aggregate`: the matching rows counted, summed and compared, all together or by groups. */
export const aggregateRoute: MakeRoute = (context) => {
  const { resource, db } = context
  const choices = choicesOf(resource)
  const figures = figuresOf(choices)
  const parseConditions = makeParseConditions(resource)
  const { $id } = resource.declaration.schema

  function sortSql(names: string[] = [], groups: GroupKey[]): SQL[] {
    return names.map((text) => {
      const name = text.replace(/^-/, '')
      const one = figures.get(name) ?? groups.find((key) => key.name === name)?.expression
      if (!one) throw notGrouped(name)
      return text.startsWith('-') ? sql`${desc(one)} nulls last` : asc(one)
    })
  }

  return {
    method: 'GET',
    url: '/aggregate',
    access: 'read',
    schema: {
      summary: `Aggregate ${resource.name}`,
      description: `\`count\` always, and what is asked for: \`?sum=a&max=a,b&groupBy=c\`. One entry, or with \`groupBy\` one for each group, sorted by it. With \`sort\` and \`limit\` the first of them: \`?sum=a&groupBy=c&sort=-sum.a&limit=10\`. Takes the filters of the list. More than ${MAX_GROUPS} groups without a \`limit\` are refused.`,
      querystring: Type.Object(
        { ...parameters(choices), ...groupParameters(choices, [...figures.keys()]), ...conditionParameters(resource) },
        { additionalProperties: false }
      ),
      response: { 200: answerSchema(choices, `${$id}Aggregate`) }
    },
    async handler(request) {
      const query = request.query as AggregateQuery
      const filter = parseConditions(query, ownerOf(request, resource))
      const groups = keysNamed(choices.groupBy, query.groupBy)
      const selection: Record<string, unknown> = { count: sql`count(*)`.mapWith(Number) }
      if (groups.length > 0) selection.group = Object.fromEntries(groups.map((key) => [key.name, sourceOf(key)]))
      for (const [name, apply] of Object.entries(FUNCTIONS)) {
        const fields = fieldsOf(resource, query[name as Function])
        if (fields.length > 0) selection[name] = Object.fromEntries(fields.map((field) => [field.name, apply(field)]))
      }
      const expressions = groups.map(({ expression }) => expression)
      const data = await db
        .select(selection as Record<string, AnyPgColumn>)
        .from(resource.table)
        .where(filterSql(resource, filter, (_name, value) => value))
        .groupBy(...expressions)
        .having(havingSql(query.having, figures))
        .orderBy(...sortSql(query.sort, groups), ...expressions.map((one) => asc(one)))
        .limit(query.limit ?? MAX_GROUPS + 1)
      if (data.length > MAX_GROUPS) throw tooManyGroups()
      return { data }
    }
  }
}

const sourceOf = ({ expression, field: { type, schema } }: GroupKey) =>
  sql`${expression}`.mapWith(type.isNative ? (value: unknown) => value : type.reader(schema))

// The values that groups can be sorted and chosen by.
function figuresOf({ sum, avg }: Choices): Map<string, SQL> {
  const named = (name: 'sum' | 'avg', fields: Field[]) =>
    fields.map((field): [string, SQL] => [`${name}.${field.name}`, FUNCTIONS[name](field)])
  return new Map([['count', sql`count(*)`], ...named('sum', sum), ...named('avg', avg)])
}

function groupParameters({ groupBy }: Choices, figures: string[]): Record<string, TSchema> {
  if (groupBy.length === 0) return {}
  const names = [...figures, ...groupBy.map(({ name }) => name)].flatMap((name) => [name, `-${name}`])
  return {
    having: havingParameter,
    sort: Type.Optional(
      Type.Array(Type.Unsafe<string>({ type: 'string', enum: names }), {
        minItems: 1,
        maxItems: MAX_GROUP_FIELDS,
        uniqueItems: true,
        description: 'What groups are sorted by, `-` for descending: `count`, a sum or mean, or a field of `groupBy`.'
      })
    ),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_GROUPS, description: 'How many groups to answer with.' })
    )
  }
}

const fieldsOf = ({ fields }: Resource, names: string[] = []) => names.map((name) => fields.get(name) as Field)

function tooManyGroups() {
  const message = `makes more than ${MAX_GROUPS} groups: filter, or group by less`
  return validationFailed([{ in: 'query', path: '/groupBy', code: 'maxGroups', message }])
}

function notGrouped(name: string) {
  const message = `names ${name}, which groupBy does not`
  return validationFailed([{ in: 'query', path: '/sort', code: 'notGrouped', message }])
}

type Choices = Record<Function, Field[]> & { groupBy: GroupKey[] }

// Callers may compare and sum only the fields that a list can be sorted or filtered by, and only types that allow it.
function choicesOf({ declaration: { list = {} }, fields }: Resource): Choices {
  const names = new Set([...(list.filter ?? []), ...(list.sort ?? [])])
  const declared = [...names].map((name) => fields.get(name) as Field)
  const typed = (isKept: (type: ColumnType) => boolean) => declared.filter(({ type }) => isKept(type))
  const numbers = typed(({ isSummable }) => isSummable)
  const ordered = typed(({ hasExtremes }) => hasExtremes)
  return {
    sum: numbers,
    avg: numbers,
    min: ordered,
    max: ordered,
    groupBy: groupKeys(typed(({ isOrdered }) => isOrdered))
  }
}

const DESCRIPTIONS: Record<keyof Choices, string> = {
  sum: 'Fields to add up, comma-separated. Null over no rows.',
  avg: 'Fields to take the mean of. Null over no rows.',
  min: 'Fields to take the least value of.',
  max: 'Fields to take the greatest value of.',
  groupBy:
    'Fields whose values make the groups; of a moment or date also `<field>.hour|day|week|month|quarter|year`, in UTC.'
}

function parameters(choices: Choices): Record<string, TSchema> {
  return Object.fromEntries(
    Object.entries(choices)
      .filter(([, fields]) => fields.length > 0)
      .map(([name, fields]) => {
        const one = Type.Unsafe<string>({ type: 'string', enum: fields.map(({ name }) => name) })
        const maxItems = name === 'groupBy' ? Math.min(MAX_GROUP_FIELDS, fields.length) : fields.length
        const description = DESCRIPTIONS[name as keyof Choices]
        return [name, Type.Optional(Type.Array(one, { minItems: 1, maxItems, uniqueItems: true, description }))]
      })
  )
}

function answerSchema(choices: Choices, name: string): TObject {
  const all = (key: Function, schema: (field: Field) => TSchema) =>
    choices[key].length === 0 ? {} : { [key]: Type.Optional(valuesOf(choices[key], schema)) }
  const groups = Object.fromEntries(choices.groupBy.map(({ name, field }) => [name, Type.Optional(own(field))]))
  const one = Type.Object(
    {
      ...(choices.groupBy.length > 0 && { group: Type.Optional(Type.Object(groups, { additionalProperties: false })) }),
      count: Type.Integer({ examples: [3] }),
      ...all('sum', (field) => Exact(field, 'Exact; a text beyond ±(2^53−1).')),
      ...all('avg', (field) => Exact(field, 'A text beyond ±(2^53−1).')),
      ...all('min', own),
      ...all('max', own)
    },
    { $id: name, title: name, additionalProperties: false }
  )
  return Type.Object({ data: Type.Array(one) }, { additionalProperties: false })
}

const own = ({ schema }: Field) => Nullable(bare(schema))

const valuesOf = (fields: Field[], schema: (field: Field) => TSchema) =>
  Type.Object(Object.fromEntries(fields.map((field) => [field.name, Type.Optional(schema(field))])), {
    additionalProperties: false
  })
