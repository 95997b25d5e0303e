import { ID_PREFIX } from './database.ts'
import type { Requests } from './generator.ts'
import type { ServerKind } from './servers.ts'

/** The spelling of each request for Tenon and for the peers. Requests to Tenon carry a key, also on public routes. */
export function spell(kind: ServerKind, key: string) {
  const headers: Record<string, string> = kind.isTenon ? { 'x-api-key': key } : {}
  const products = kind.isTenon ? '/api/v1/products' : '/products'
  const get = (path: string): Requests => ({ method: 'GET', path, headers })
  return {
    read: get(`${products}/${ID_PREFIX}{id}`),
    list: get(`${products}?limit=50`),
    listByPrice: get(
      kind.isTenon
        ? `${products}?limit=50&sort=priceCents&priceCents[gte]={price}`
        : `${products}?limit=50&minPriceCents={price}`
    ),
    create: (run: string): Requests => ({
      method: 'POST',
      path: products,
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(newProduct(`${run}-{serial}`))
    }),
    patch: (run: string): Requests => ({
      method: 'PATCH',
      path: `${products}/${ID_PREFIX}{id}`,
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ description: `${run}-{serial}`, stock: 7 })
    }),
    remove: { method: 'DELETE', path: `${products}/${ID_PREFIX}{serial}`, headers } as Requests,
    livez: get('/livez'),
    keySet: get(kind.isTenon ? '/.well-known/jwks.json' : '/jwks.json')
  }
}

/** A product as a caller writes it. */
export function newProduct(sku: string) {
  return {
    sku,
    name: 'Walnut desk',
    description: 'Solid walnut, oiled by hand.',
    priceCents: 48_900,
    currency: 'USD',
    stock: 12,
    tags: ['walnut', 'desk'],
    categoryId: null,
    active: true
  }
}
