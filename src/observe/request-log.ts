import type { ChildLoggerOptions, Logger } from 'pino'
import { parseTraceparent } from '../concurrency/trace-context.ts'

type Logged = Parameters<Logger['info']>

/**
 * The logger of a request, which adds the ids of the request and its trace. Nearly no request logs besides its own
 * line, so pino's child is made at the first use; making it always costs 2 µs a request.
 */
export class RequestLog {
  readonly #parent: Logger
  readonly #bindings: Record<string, unknown>
  readonly #traceparent: string | string[] | undefined
  #made: Logger | undefined

  constructor(parent: Logger, bindings: Record<string, unknown>, traceparent?: string | string[]) {
    this.#parent = parent
    this.#bindings = bindings
    this.#traceparent = traceparent
  }

  get level(): string {
    return this.#parent.level
  }

  child(bindings: Record<string, unknown>, options?: ChildLoggerOptions): Logger {
    return this.#log.child(bindings, options) as Logger
  }

  silent(): void {}

  get #log(): Logger {
    this.#made ??= this.#parent.child(this.#allBindings())
    return this.#made
  }

  #allBindings(): Record<string, unknown> {
    const trace = parseTraceparent(this.#traceparent)
    return trace ? { ...this.#bindings, traceId: trace.traceId } : this.#bindings
  }

  fatal(...parameters: Logged): void {
    this.#log.fatal(...parameters)
  }

  error(...parameters: Logged): void {
    this.#log.error(...parameters)
  }

  warn(...parameters: Logged): void {
    this.#log.warn(...parameters)
  }

  info(...parameters: Logged): void {
    this.#log.info(...parameters)
  }

  debug(...parameters: Logged): void {
    this.#log.debug(...parameters)
  }

  trace(...parameters: Logged): void {
    this.#log.trace(...parameters)
  }
}
