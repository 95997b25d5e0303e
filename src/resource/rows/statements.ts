/** A statement that is executed more than once. */
export interface Statement {
  execute(values?: Record<string, unknown>): Promise<unknown>
}

const MOST = 500

/**
 * Prepared statements by their shape: building one anew at each request costs more than the query (9.6 against 22.2
 * thousand requests a second). Callers choose shapes, and a prepared statement stays in every connection and in
 * PostgreSQL for as long as the connection lives. So beyond 500 shapes new ones are neither prepared nor kept.
 */
export class Statements {
  readonly #kept = new Map<string, Statement>()
  readonly #most: number

  constructor(most = MOST) {
    this.#most = most
  }

  /** @param make makes the statement; prepared where it gets a name. */
  get(shape: string, make: (name: string) => Statement): Statement {
    let statement = this.#kept.get(shape)
    if (statement) return statement
    // drizzle prepares statements that have a name.
    if (this.#kept.size >= this.#most) return make(undefined as never)
    statement = make(shape)
    this.#kept.set(shape, statement)
    return statement
  }
}
