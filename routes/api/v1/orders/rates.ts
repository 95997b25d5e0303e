import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { inArray } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { ApiError } from '#src/errors.ts'
import { products } from '../products/table.ts'

const Rate = Type.Object({ rate: Type.Number({ exclusiveMinimum: 0 }) })
const TIMEOUT_MS = 3000

/** What one minor unit of a currency is in those of another. */
export type Rates = (from: string, to: string) => number | undefined

/**
 * Asks for the rates from the currencies of products to that of the first, which is that of the order. There are none
 * without a service of rates.
 * @throws ApiError RATES_UNAVAILABLE when the service does not answer, or is left alone because it failed.
 */
export async function findRates(app: FastifyInstance, productIds: string[]): Promise<Rates> {
  const { RATES_URL } = app.config
  if (RATES_URL === undefined) return sameOnly
  const { id, currency } = products
  const found = await app.db.select({ id, currency }).from(products).where(inArray(id, productIds))
  const ordered = found.find((product) => product.id === productIds[0])
  if (!ordered) return sameOnly
  const others = [...new Set(found.map((product) => product.currency))].filter((one) => one !== ordered.currency)
  const rates = new Map(
    await Promise.all(
      others.map(async (from) => [from, await findRate(app, RATES_URL, from, ordered.currency)] as const)
    )
  )
  // A product may get another currency before it is locked.
  return (from, to) => sameOnly(from, to) ?? (to === ordered.currency ? rates.get(from) : undefined)
}

const sameOnly: Rates = (from, to) => (from === to ? 1 : undefined)

async function findRate({ outbound }: FastifyInstance, ratesUrl: string, from: string, to: string): Promise<number> {
  const url = new URL(ratesUrl)
  url.searchParams.set('from', from)
  url.searchParams.set('to', to)
  try {
    const { status, text } = await outbound.request(url.href, { timeoutMs: TIMEOUT_MS, maxBytes: 10_000 })
    if (status !== 200) throw new Error(`the service of rates answered ${status}`)
    return Value.Parse(Rate, JSON.parse(text)).rate
  } catch (cause) {
    if (cause instanceof ApiError) throw cause
    throw new ApiError('RATES_UNAVAILABLE', undefined, { cause })
  }
}
