import type { TSchema } from '@sinclair/typebox'
import { sql } from 'drizzle-orm'
import type { Test } from 'tap'
import { jsonTypeOf } from '#src/resource/compile/check-types.ts'
import { compileResource } from '#src/resource/compile/resource.ts'
import type { Field } from '#src/resource/model.ts'
import { bare } from '#src/schema/fields.ts'
import { startApp } from '#test/support/app.ts'
import { kindRoutes } from '#test/support/fixtures.ts'
import { ddlOf, declare, type Kind } from '#test/support/kinds.ts'

// A quick run tests one operand of each operator and three orders.
const ordersOf = (isOrdered: boolean, isWhole: boolean) => {
  if (!isOrdered) return ['id']
  return isWhole
    ? ['value', '-value', 'maybe', '-maybe', 'value,-maybe', '-maybe,value']
    : ['value', 'maybe', '-maybe,value']
}

const FORMATS = ['application/x-ndjson', 'text/csv']
// What JSON.parse takes, and no database keeps as it was sent.
const BAD_JSON = ['[1e400]', '[9007199254740993]', '{"a":1,"a":2}', '["\\u0000"]']

/** Whether a field takes lists or objects, so that a CSV has it as JSON. */
const takesJson = (schema: TSchema) => ['array', 'object', 'any'].includes(jsonTypeOf(bare(schema)) as string)

/** Tests every type of column with every feature of a resource: a cell of the matrix works, or the start refuses it. */
export async function testKinds(t: Test, kinds: Kind[], isWhole: boolean): Promise<void> {
  const { app, send, someone } = await startApp(t, {}, kindRoutes)
  const admin = (await someone('admin')).token
  await app.db.execute(sql`create type kind_size as enum ('small', 'medium', 'large')`)

  for (const kind of kinds) {
    const { key, values, sent = values } = kind
    const path = `/api/v1/kinds/${key}`
    const { type } = compileResource('kinds', declare(kind)).fields.get('value') as Field
    const get = async (query = '') => (await send('GET', `${path}?${query}`, { as: admin })).body
    const change = (method: string, url: string, body: unknown, headers = {}) =>
      send(method, url, { as: admin, body, headers } as never)
    const text = (value: unknown) => encodeURIComponent(String(value))
    type Row = { id: string; value: unknown; maybe: unknown }
    const valuesOf = ({ data }: { data: Row[] }) => data.map(({ value }) => value)

    t.test(`${key} (${type.name})`, async (t) => {
      await app.db.execute(ddlOf(kind))
      // Each value, the first twice for a tie; every other row has null in the nullable field.
      const rows: Row[] = []
      for (const index of [0, ...values.keys()]) {
        const body = { value: sent[index], ...(rows.length % 2 && { maybe: sent[index] }) }
        const made = await change('POST', path, body)
        t.match(made, { status: 201 }, JSON.stringify(made.body))
        t.strictSame(made.body, {
          id: made.body.id,
          value: values[index],
          maybe: rows.length % 2 ? values[index] : null
        })
        rows.push(made.body)
      }
      const [first] = rows as [Row]

      const one = await send('GET', `${path}/${first.id}`, { as: admin })
      t.strictSame(one.body, first)
      const { id: _id, ...writable } = one.body
      const put = await change('PUT', `${path}/${first.id}`, writable, { 'if-match': one.headers.etag })
      t.match(put, { status: 200, headers: { etag: '"2"' } })
      t.strictSame(put.body, first, 'a PUT of what GET gave')
      t.strictSame((await change('PATCH', `${path}/${first.id}`, { maybe: sent.at(-1) })).body.maybe, values.at(-1))
      t.strictSame((await change('PATCH', `${path}/${first.id}`, { maybe: null })).body.maybe, null)
      const alone = await change('PATCH', `${path}/${first.id}`, { value: sent[0] }, { 'if-none-match': '"77"' })
      t.strictSame(alone.body.value, values[0], 'a change by itself')
      const many = await change('PATCH', `${path}/bulk`, {
        items: rows.map(({ id }, index) => ({ id, value: sent[Math.max(index - 1, 0)] }))
      })
      t.match(many.body, { updated: rows.length })

      t.strictSame(
        await get('fields=value&sort=id').then(({ data }) => data),
        rows.map(({ value }) => ({ value }))
      )
      t.strictSame(
        await get('include=version&sort=id').then(({ data }) => data),
        rows.map((row) => ({ ...row, version: row }))
      )

      for (const sort of ordersOf(type.isOrdered, isWhole)) {
        const whole: Row[] = (await get(`sort=${sort}`)).data
        t.equal(whole.length, rows.length)
        if (sort === 'value') t.strictSame(valuesOf({ data: whole }), [values[0], ...values])
        const forwards: Row[] = []
        let page = await get(`sort=${sort}&limit=1`)
        for (let turn = 0; turn < 9; turn += 1) {
          forwards.push(...page.data)
          if (!page.page.next) break
          page = await get(`sort=${sort}&limit=1&cursor=${page.page.next}`)
        }
        t.strictSame(forwards, whole, `forwards by ${sort}`)
        const backwards: Row[] = [...page.data]
        for (let turn = 0; turn < 9 && page.page.previous; turn += 1) {
          page = await get(`sort=${sort}&limit=1&cursor=${page.page.previous}`)
          backwards.unshift(...page.data)
        }
        t.strictSame(backwards, whole, `backwards by ${sort}`)
      }

      const expected: Record<string, (at: number, than: number) => boolean> = {
        eq: (at, than) => at === than,
        ne: (at, than) => at !== than,
        gt: (at, than) => at > than,
        gte: (at, than) => at >= than,
        lt: (at, than) => at < than,
        lte: (at, than) => at <= than,
        in: (at, than) => at === than,
        nin: (at, than) => at !== than,
        like: (at, than) => at === than,
        ilike: (at, than) => at === than
      }
      const places = [0, ...values.keys()]
      for (const operator of type.operators) {
        if (operator === 'has' || (key === 'union' && /like/.test(operator))) continue
        const name = operator === 'eq' ? 'value' : `value[${operator}]`
        const like = (value: unknown) => (/like/.test(operator) ? String(value).replace(/[\\%_]/g, '\\$&') : value)
        for (const than of isWhole ? values.keys() : [1]) {
          const asked = /in$/.test(operator) && values[than] === '' ? '""' : like(values[than])
          const found = await get(`sort=id&${name}=${text(asked)}`)
          t.strictSame(
            found.data && valuesOf(found),
            places.filter((at) => expected[operator]?.(at, than)).map((at) => values[at]),
            `${name}=${values[than]}`
          )
        }
      }
      if (type.operators.includes('has')) {
        for (const [index, list] of (sent as unknown[][]).entries()) {
          if (list.length === 0 || Array.isArray(list[0]) || list.includes('')) continue
          const found = await get(`sort=id&${list.map((one) => `value[has]=${text(one)}`).join('&')}`)
          t.ok(
            found.data?.some(({ value }: Row) => JSON.stringify(value) === JSON.stringify(values[index])),
            JSON.stringify(found)
          )
        }
      }
      t.equal(
        (await get('maybe[isNull]=true&count=exact')).page.total,
        rows.filter(({ maybe }) => maybe === null).length
      )
      t.match(await send('GET', `${path}?value[isNull]=true`, { as: admin }), { status: 422 })

      const aggregate = async (query: string) =>
        (await send('GET', `${path}/aggregate?${query}`, { as: admin })).body.data
      if (type.hasExtremes)
        t.strictSame(await aggregate('min=value&max=value'), [
          { count: rows.length, min: { value: values[0] }, max: { value: values.at(-1) } }
        ])
      if (type.isSummable) t.ok((await aggregate('sum=value&avg=value'))[0].sum)
      if (type.isOrdered)
        t.strictSame(
          (await aggregate('groupBy=value')).map(({ group, count }: { group: Row; count: number }) => [
            group.value,
            count
          ]),
          values.map((value, index) => [value, index === 0 ? 2 : 1])
        )

      for (const bad of takesJson(kind.schema) ? BAD_JSON : []) {
        const { details } = (await change('POST', path, `{"value":${bad}}`)).body
        t.match(details, [{ path: /^\/value\/./ }], bad)
        const imports = [`{"value":${bad}}`, `value\n"${bad.replaceAll('"', '""')}"`]
        for (const [at, format] of FORMATS.entries()) {
          // The members of an object are columns of their own.
          if (format === 'text/csv' && bare(kind.schema).properties) continue
          const { body } = await change('POST', `${path}/import`, imports[at], { 'content-type': format })
          t.match(body, { created: 0, failed: 1, errors: [{ details }] }, `${format}: ${bad}`)
        }
      }

      for (const format of FORMATS) {
        const out = await send('GET', `${path}/export?sort=id`, { as: admin, headers: { accept: format } })
        t.equal(out.status, 200)
        const back = await change('POST', `${path}/import`, out.text, { 'content-type': format })
        t.match(back.body, { created: rows.length, failed: 0 }, JSON.stringify(back.body))
        const all = (await get('sort=id')).data
        const copies = all.slice(rows.length)
        t.strictSame(
          copies.map(({ value, maybe }: Row) => ({ value, maybe })),
          all.slice(0, rows.length).map(({ value, maybe }: Row) => ({ value, maybe })),
          format
        )
        await change('DELETE', `${path}/bulk`, { ids: copies.map(({ id }: Row) => id) })
      }
    })
  }
}
