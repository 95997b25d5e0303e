import type { Count } from './window-store.ts'

type Done = (error: Error | null, count?: Count) => void

interface Windows {
  add(key: string, windowMs: number, amount?: number): Count | Promise<Count>
}

/** The name of a window: an account has one for each length. */
export const windowKey = (key: string, windowMs: number): string => `${key}:${windowMs}`

/** Our windows in the form in which @fastify/rate-limit takes a store: a class that it makes instances of. */
export function storeClass(windows: Windows) {
  return class Store {
    incr(key: string, done: Done, windowMs: number): void {
      const count = windows.add(windowKey(key, windowMs), windowMs)
      if (count instanceof Promise) count.then((one) => done(null, one), done)
      else done(null, count)
    }

    // Every limiter brings its own window and bound; the counts are in one place.
    child(): Store {
      return this
    }
  }
}
