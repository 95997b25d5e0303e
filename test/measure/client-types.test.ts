import t from 'tap'
import { currentDocument } from '#src/cli/document.ts'
import { checkStrictly, writeClient } from '#test/support/generated-client.ts'

const RESOURCES = 500

t.test(`the client of ${RESOURCES} resources passes its type check in 10 s`, async (t) => {
  const { paths, components, ...rest } = await currentDocument()
  const ofProducts = Object.entries(paths).filter(([path]) => path.startsWith('/api/v1/products'))
  const schemas = Object.entries(components.schemas).filter(([name]) => /^Product(?!V2)/.test(name))
  const many: typeof paths = {}
  const manySchemas = { ...components.schemas }
  for (let number = 0; number < RESOURCES; number += 1) {
    const named = (text: string) =>
      text.replaceAll('Product', `Thing${number}`).replaceAll('/products', `/things${number}`)
    for (const [path, item] of ofProducts) many[named(path)] = JSON.parse(named(JSON.stringify(item)))
    for (const [name, schema] of schemas) manySchemas[named(name)] = JSON.parse(named(JSON.stringify(schema)))
  }
  const folder = t.testdir()
  const text = writeClient(folder, { ...rest, paths: many, components: { ...components, schemas: manySchemas } })
  t.equal(text.match(/^export function things\d+\(client: Client\)/gm)?.length, RESOURCES)
  const startedAt = performance.now()
  t.equal(await checkStrictly(folder, ['tenon-client.ts']), '')
  const seconds = (performance.now() - startedAt) / 1000
  t.comment(`${Math.round(text.length / 1e6)} MB in ${seconds.toFixed(1)} s`)
  t.ok(seconds < 10, `${seconds.toFixed(1)} s`)
})
