import { z } from 'zod'

export const ProductParams = z.object({ id: z.uuid() })

export const ListQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  minPriceCents: z.coerce.number().int().min(0).optional()
})

export const ProductCreate = z.object({
  sku: z.string().min(1).max(64),
  name: z.string().min(1).max(200),
  description: z.string().max(5000).nullable(),
  priceCents: z.number().int().min(0).max(1_000_000_00),
  currency: z.string().regex(/^[A-Z]{3}$/),
  stock: z.number().int().min(0).max(1_000_000),
  tags: z.array(z.string().min(1).max(50)).max(50),
  categoryId: z.uuid().nullable(),
  active: z.boolean()
})
