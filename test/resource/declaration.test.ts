import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

// An option with a mistake, and what the compiler says of it.
const mistakes: [string, RegExp][] = [
  ["list: { filter: ['colour'] }", /'"colour"' is not assignable to type .*"priceCents"/],
  ["list: { sort: ['name', 'colour'] }", /'"colour"' is not assignable to type .*"priceCents"/],
  ["list: { search: ['colour'] }", /'"colour"' is not assignable to type .*"priceCents"/],
  ["owner: 'owner'", /'"owner"' is not assignable to type .*"categoryId"/],
  ["upsert: 'code'", /'"code"' is not assignable to type .*"sku"/],
  ["upsert: ['sku', 'code']", /'"code"' is not assignable to type .*"sku"/],
  ["columns: { name: 'title' }", /'"title"' is not assignable to type .*"description"/],
  ['timeoutSeconds: { listing: 2 }', /'listing' does not exist in type/],
  [
    "include: { category: { table: categories, by: 'category', schema: Category } }",
    /is not assignable to type 'Include</
  ],
  ["include: { lines: { ...lines, by: 'product' } }", /is not assignable to type 'Include</],
  ["include: { lines: { ...lines, sort: 'place' } }", /'"place"' is not assignable to type .*"position"/],
  ["include: { orders: { ...orderOf, owner: 'buyer' } }", /'"buyer"' is not assignable to type .*"userId"/],
  ['computed: { colour: () => 1 }', /'colour' does not exist in type/],
  ['operations: { destroy: false }', /'destroy' does not exist in type/],
  ['soft: true', /'soft' does not exist in type/]
]

const declare = (option: string) => `
import { categories } from '#routes/api/v1/categories/table.ts'
import { Category } from '#routes/api/v1/categories/schema.ts'
import { orderLines, orders } from '#routes/api/v1/orders/table.ts'
import { Order, OrderLine } from '#routes/api/v1/orders/schema.ts'
import { products } from '#routes/api/v1/products/table.ts'
import { Product } from '#routes/api/v1/products/schema.ts'
import { defineResource } from '#src/resource/define.ts'

export const lines = { table: orderLines, by: 'productId', many: true, schema: OrderLine } as const
export const orderOf =
  { table: orders, through: { table: orderLines, to: 'orderId' }, by: 'productId', many: true, schema: Order } as const
export default defineResource({
  schema: Product, table: products, access: { read: 'public', write: 'a:write', delete: 'a:delete' }, ${option}
})
export { categories, Category }
`

t.test('the compiler refuses a wrong name in each option, and lists the right ones', async (t) => {
  const right = [
    '',
    "list: { filter: ['name'], sort: ['priceCents'], search: ['sku'] }, owner: 'categoryId', upsert: 'sku'",
    "include: { category: { table: categories, by: 'categoryId', schema: Category }, lines, orders: orderOf }",
    "columns: { name: 'description' }, timeoutSeconds: { list: 2, paint: 3 }, actions: { paint: { summary: 'x', run: async ({ id }) => ({ id }) } }"
  ]
  const files = [...right, ...mistakes.map(([option]) => option)].map((option, index) => [
    `${index}.ts`,
    declare(option)
  ])
  const folder = t.testdir({
    'tsconfig.json': JSON.stringify({
      extends: `${root}tsconfig.json`,
      compilerOptions: { incremental: false, tsBuildInfoFile: null },
      files: files.map(([name]) => name)
    }),
    ...Object.fromEntries(files)
  })
  // The shell takes away the loader of the test runner: the compiler cannot be loaded through it.
  const compiler = 'NODE_OPTIONS= exec "$1/node_modules/.bin/tsc" --pretty false -p "$0"'
  const { stdout } = await run('sh', ['-c', compiler, folder, root]).catch((error) => error)
  const errorsOf = (index: number) =>
    (stdout as string).split(/^(?=\S)/m).filter((error) => error.includes(`/${index}.ts(`))
  for (const [index, option] of right.entries()) t.same(errorsOf(index), [], `right: ${option}`)
  for (const [index, [option, says]] of mistakes.entries()) {
    const errors = errorsOf(right.length + index)
    t.match(errors.join(''), says, option)
  }
})
