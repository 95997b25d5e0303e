// Express as its documentation writes it: express.json(), a zod schema parsed in the handler, res.json().
import express from 'express'
import { v7 } from 'uuid'
import { createProduct, listProducts, listProductsByPrice, port, readProduct } from './database.ts'
import { ListQuery, ProductCreate, ProductParams } from './zod.ts'

const app = express()
app.use(express.json())

app.get('/products/:id', async (request, response) => {
  const params = ProductParams.safeParse(request.params)
  if (!params.success) return void response.status(422).json({ issues: params.error.issues })
  const [product] = await readProduct.execute(params.data)
  if (!product) return void response.status(404).json({ message: 'not found' })
  response.json(product)
})

app.get('/products', async (request, response) => {
  const query = ListQuery.safeParse(request.query)
  if (!query.success) return void response.status(422).json({ issues: query.error.issues })
  const { limit, minPriceCents } = query.data
  const data =
    minPriceCents === undefined
      ? await listProducts.execute({ limit })
      : await listProductsByPrice.execute({ limit, minPriceCents })
  response.json({ data })
})

app.post('/products', async (request, response) => {
  const body = ProductCreate.safeParse(request.body)
  if (!body.success) return void response.status(422).json({ issues: body.error.issues })
  const [product] = await createProduct.execute({ ...body.data, id: v7() })
  response.status(201).json(product)
})

app.get('/livez', (_request, response) => {
  response.json({ status: 'ok' })
})

app.listen(port, '127.0.0.1')
