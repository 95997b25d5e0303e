import type { Count } from './window-store.ts'

type Done = (error: Error | null, count?: Count) => void

interface Windows {
  add(key: string, windowMs: number, amount?: number): Count | Promise<Count>
}

/** The name of a window: an account has one for each length. */
export const windowKey = (key: string, windowMs: number): string => `${key}:${windowMs}`

/** Adapts the windows to the form of a store for @fastify/rate-limit: a class that it makes instances of. */
export function storeClass(windows: Windows) {
  return class Store {
    incr(key: string, done: Done, windowMs: number): void {
      const count = windows.add(windowKey(key, windowMs), windowMs)
      if (count instanceof Promise) count.then((one) => done(null, one), done)
      else done(null, count)
    }

    // Every limiter has its own window and bound; the counts are shared.
    child(): Store {
      return this
    }
  }
}
