import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import t from 'tap'
import { until } from '#test/support/until.ts'
import { startReceiver, startShop } from '#test/support/webhooks.ts'

const { app, send, admin, product, hook } = await startShop(t)

interface Document {
  webhooks: Record<string, { post: { requestBody: { content: Record<string, { schema: object }> } } }>
}

t.test('the document has each type of event as a webhook, with the schema of its message', async (t) => {
  const document = (await send('GET', '/openapi.json')).body as Document
  t.same(Object.keys(document.webhooks).sort(), app.events.types.sort())
  const receiver = await startReceiver(t)
  await hook(admin.token, receiver.origin, ['*'])
  const lines = [{ productId: await product(), quantity: 1 }]
  await send('POST', '/api/v1/orders', { as: admin.token, body: { lines } })
  await until(() => receiver.seen.length === 3)
  // The keywords of OpenAPI are none of JSON Schema.
  const ajv = new Ajv2020.default({ strict: false })
  addFormats.default(ajv)
  ajv.addFormat('iso-4217', true).addFormat('cidr', true).addSchema(document, 'document')
  for (const { body } of receiver.seen) {
    const message = JSON.parse(body)
    const at = `webhooks/${message.type}/post/requestBody/content/application~1json/schema`
    const validate = ajv.getSchema(`document#/${at}`)
    t.ok(validate?.(message), `${message.type} ${JSON.stringify(validate?.errors)}`)
    t.notOk(validate?.({ ...message, type: 'another' }))
  }
})
