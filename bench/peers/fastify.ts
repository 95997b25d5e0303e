// Fastify as its documentation writes it: TypeBox schemas validate what comes in and serialize what goes out.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { type TSchema, Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import { v7 } from 'uuid'
import {
  createProduct,
  deleteProduct,
  listProducts,
  listProductsByPrice,
  port,
  readProduct,
  updateProduct
} from './database.ts'

const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()

const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const written = {
  sku: Type.String({ minLength: 1, maxLength: 64 }),
  name: Type.String({ minLength: 1, maxLength: 200 }),
  description: Nullable(Type.String({ maxLength: 5000 })),
  priceCents: Type.Integer({ minimum: 0, maximum: 1_000_000_00 }),
  currency: Type.String({ pattern: '^[A-Z]{3}$' }),
  stock: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
  tags: Type.Array(Type.String({ minLength: 1, maxLength: 50 }), { maxItems: 50 }),
  categoryId: Nullable(Type.String({ format: 'uuid' })),
  active: Type.Boolean()
}
const Product = Type.Object({
  id: Type.String({ format: 'uuid' }),
  ...written,
  createdAt: Type.Unsafe<Date>(Type.String({ format: 'date-time' })),
  updatedAt: Type.Unsafe<Date>(Type.String({ format: 'date-time' }))
})
const params = Type.Object({ id: Type.String({ format: 'uuid' }) })
const Problem = Type.Object({ message: Type.String() })

app.get(
  '/products/:id',
  {
    schema: {
      params,
      response: { 200: Product, 404: Problem }
    }
  },
  async (request, reply) => {
    const [product] = await readProduct.execute({ id: request.params.id })
    return product ?? reply.code(404).send({ message: 'not found' })
  }
)

app.get(
  '/products',
  {
    schema: {
      querystring: Type.Object({
        limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
        minPriceCents: Type.Optional(Type.Integer({ minimum: 0 }))
      }),
      response: { 200: Type.Object({ data: Type.Array(Product) }) }
    }
  },
  async (request) => {
    const { limit, minPriceCents } = request.query
    const data =
      minPriceCents === undefined
        ? await listProducts.execute({ limit })
        : await listProductsByPrice.execute({ limit, minPriceCents })
    return { data }
  }
)

app.post(
  '/products',
  { schema: { body: Type.Object(written), response: { 201: Product } } },
  async (request, reply) => {
    const [product] = await createProduct.execute({ ...request.body, id: v7() })
    return reply.code(201).send(product as NonNullable<typeof product>)
  }
)

app.patch(
  '/products/:id',
  { schema: { params, body: Type.Partial(Type.Object(written)), response: { 200: Product, 404: Problem } } },
  async (request, reply) => {
    const [product] = await updateProduct(request.params.id, request.body)
    return product ?? reply.code(404).send({ message: 'not found' })
  }
)

app.delete(
  '/products/:id',
  { schema: { params, response: { 204: Type.Null(), 404: Problem } } },
  async (request, reply) => {
    const [product] = await deleteProduct.execute({ id: request.params.id })
    return product ? reply.code(204).send(null) : reply.code(404).send({ message: 'not found' })
  }
)

app.get('/livez', { schema: { response: { 200: Type.Object({ status: Type.String() }) } } }, async () => ({
  status: 'ok'
}))

const KeySet = Type.Object({ keys: Type.Array(Type.Record(Type.String(), Type.String())) })
const keySet = {
  keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x'.repeat(43), kid: 'k'.repeat(43), alg: 'EdDSA', use: 'sig' }]
}
app.get('/jwks.json', { schema: { response: { 200: KeySet } } }, async () => keySet)

await app.listen({ host: '127.0.0.1', port })
