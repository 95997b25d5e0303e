import { createHmac, randomBytes } from 'node:crypto'
import { Sealer } from '#src/db/sealer.ts'

const PREFIX = 'whsec_'
const SECRET_BYTES = 32

/** What is signed of an attempt. */
export interface Message {
  id: string
  /** Seconds since 1970. */
  timestamp: number
  body: string
}

/** The secrets of webhooks, and what is signed with them (Standard Webhooks, symmetric signatures). */
export class WebhookSecrets {
  readonly #sealer: Sealer

  constructor(key: Buffer) {
    this.#sealer = new Sealer(key, 'webhook secret')
  }

  /** A new secret as its owner gets it, and as it is stored. */
  make(webhookId: string): { secret: string; sealed: string } {
    const secret = PREFIX + randomBytes(SECRET_BYTES).toString('base64')
    return { secret, sealed: this.#sealer.seal(secret, webhookId) }
  }

  /** The header `webhook-signature`: a signature by each of the stored secrets. */
  sign({ id, timestamp, body }: Message, sealed: string[], webhookId: string): string {
    const signatures = sealed.map((one) => {
      const key = Buffer.from(this.#sealer.open(one, webhookId).slice(PREFIX.length), 'base64')
      return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
    })
    return signatures.join(' ')
  }
}
