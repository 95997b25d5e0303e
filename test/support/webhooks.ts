import { createHmac } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { wakeWebhooks } from '#src/webhooks/dispatch.ts'
import { startApp } from './app.ts'
import { type Got, startService } from './service.ts'

/** What a receiver does with a message. */
export type Reaction = number | 'reset' | 'hang' | { status: number; body?: string; headers?: Record<string, string> }

/** A receiver of webhooks: it reacts as it is told, by default with 200. */
export async function startReceiver(t: Test, react: (got: Got, count: number) => Reaction = () => 200) {
  const service = await startService(t, (response, got) => {
    const reaction = react(got, service.seen.length)
    if (reaction === 'hang') return
    if (reaction === 'reset') return void response.socket?.resetAndDestroy()
    const { status, body = '', headers = {} } = typeof reaction === 'number' ? { status: reaction } : reaction
    response.writeHead(status, headers).end(body)
  })
  return service
}

/**
 * Reads a message as its receiver does. `test/clients` tries the library of Standard Webhooks.
 * @throws when its signature is wrong.
 */
export function verify(secret: string, { body, headers }: Pick<Got, 'body' | 'headers'>) {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
  const expected = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
  if (!String(headers['webhook-signature']).split(' ').includes(expected)) throw new Error('no signature matches')
  return JSON.parse(body) as { type: string; timestamp: string; data: Record<string, unknown> }
}

/** An application that runs jobs and sends to receivers of the test. */
export async function startShop(t: Test, more: { JOBS?: 'off' } = {}) {
  const shop = await startApp(t, { JOBS: 'on', WEBHOOK_ALLOWED_ADDRESSES: '127.0.0.1', ...more })
  const { send, someone } = shop
  const admin = await someone('admin')
  let count = 0
  async function product(more: object = {}): Promise<string> {
    count += 1
    const body = { sku: `P${count}`, name: 'Thing', priceCents: 100, stock: 100, ...more }
    return (await send('POST', '/api/v1/products', { as: admin.token, body })).body.id
  }
  const hook = async (as: string, url: string, events: string[] = ['product.*']) =>
    (await send('POST', '/api/v1/webhooks', { as, body: { url, events } })).body
  const deliveries = async (as: string, id: string) =>
    (await send('GET', `/api/v1/webhooks/${id}/deliveries`, { as })).body.data
  return { ...shop, admin, product, hook, deliveries, hurry: () => hurry(shop.app) }
}

/** Makes the time of every attempt that is to come the present. */
async function hurry(app: FastifyInstance): Promise<void> {
  await app.db.execute(sql`update webhook_deliveries set next_attempt_at = now() where state = 'pending'`)
  await wakeWebhooks(app)
}
