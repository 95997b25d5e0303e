import { productId } from '../throughput/database.ts'
import type { Lab } from './lab.ts'
import type { Ledger } from './ledger.ts'
import { type Answer, send } from './load.ts'

/** How many products the mixed load reads. */
export const ROWS = 1000

/** The nth request of a mixed load: a third writes into the ledger, a third reads one product, a third a list. */
export function mixed(lab: Lab, url: string, ledger: Ledger, n: number): Promise<Answer> {
  if (n % 3 === 0) return ledger.write(lab.agent, url)
  const headers = { 'x-api-key': lab.key }
  const path = n % 3 === 1 ? productId(1 + (n % ROWS)) : `?limit=20&stock=${n % 100}`
  return send(lab.agent, url, { path: `/api/v1/products${n % 3 === 1 ? '/' : ''}${path}`, headers })
}
