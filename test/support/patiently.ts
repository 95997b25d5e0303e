import { setTimeout as sleep } from 'node:timers/promises'

interface Refusable {
  status: number
  headers?: Record<string, string>
}

/** What a request comes to for a client that comes back when it is told to: on a busy machine some are. */
export async function patiently<A extends Refusable>(send: () => Promise<A>): Promise<A> {
  const answer = await send()
  if (answer.status !== 503) return answer
  await sleep(Number(answer.headers?.['retry-after'] ?? 1) * 1000)
  return patiently(send)
}
