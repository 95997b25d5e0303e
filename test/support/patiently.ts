import { setTimeout as sleep } from 'node:timers/promises'

interface Refusable {
  status: number
  headers?: Record<string, string>
}

/** The answer for a client that repeats a refused request after Retry-After: a busy machine refuses some. */
export async function patiently<A extends Refusable>(send: () => Promise<A>): Promise<A> {
  const answer = await send()
  if (answer.status !== 503) return answer
  await sleep(Number(answer.headers?.['retry-after'] ?? 1) * 1000)
  return patiently(send)
}
