// Hono on Node as its documentation writes it: its own validator() around a zod schema, c.json().
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { validator } from 'hono/validator'
import { v7 } from 'uuid'
import { createProduct, listProducts, listProductsByPrice, port, readProduct } from './database.ts'
import { ListQuery, ProductCreate, ProductParams } from './zod.ts'

const app = new Hono()

app.get(
  '/products/:id',
  validator('param', (value, c) => {
    const params = ProductParams.safeParse(value)
    return params.success ? params.data : c.json({ issues: params.error.issues }, 422)
  }),
  async (c) => {
    const [product] = await readProduct.execute(c.req.valid('param'))
    return product ? c.json(product) : c.json({ message: 'not found' }, 404)
  }
)

app.get(
  '/products',
  validator('query', (value, c) => {
    const query = ListQuery.safeParse(value)
    return query.success ? query.data : c.json({ issues: query.error.issues }, 422)
  }),
  async (c) => {
    const { limit, minPriceCents } = c.req.valid('query')
    const data =
      minPriceCents === undefined
        ? await listProducts.execute({ limit })
        : await listProductsByPrice.execute({ limit, minPriceCents })
    return c.json({ data })
  }
)

app.post(
  '/products',
  validator('json', (value, c) => {
    const body = ProductCreate.safeParse(value)
    return body.success ? body.data : c.json({ issues: body.error.issues }, 422)
  }),
  async (c) => {
    const [product] = await createProduct.execute({ ...c.req.valid('json'), id: v7() })
    return c.json(product, 201)
  }
)

app.get('/livez', (c) => c.json({ status: 'ok' }))

serve({ fetch: app.fetch, hostname: '127.0.0.1', port })
