// node:http that answers every request with the same bytes: what the runtime and the load generator leave at most.
import { createServer } from 'node:http'

const bodies = new Map(
  [
    ['/livez', { status: 'ok' }],
    [
      '/products',
      {
        id: '01900000-0000-7000-8000-100000000001',
        sku: 'SKU-1',
        name: 'Product 1',
        description: 'Oiled, by hand: 1',
        priceCents: 31,
        currency: 'USD',
        stock: 1,
        tags: ['t1', 'oak'],
        categoryId: null,
        active: true,
        createdAt: '2024-01-01T00:00:01.000Z',
        updatedAt: '2024-01-01T00:00:01.000Z'
      }
    ]
  ].map(([path, body]) => [path as string, Buffer.from(JSON.stringify(body))])
)

createServer((request, response) => {
  const body = bodies.get(request.url === '/livez' ? '/livez' : '/products') as Buffer
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length })
  response.end(body)
}).listen(Number(process.env.PORT), '127.0.0.1')
