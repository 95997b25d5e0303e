import { LRUCache } from 'lru-cache'

/** A statement that is executed more than once. */
export interface Statement {
  execute(values?: Record<string, unknown>): Promise<unknown>
}

const MOST = 500
const MOST_CHARACTERS = 200_000

/**
 * Statements by their shape: building one anew at each request costs more than the query (9.6 against 22.2 thousand
 * requests a second). Callers choose shapes, so those are kept that were used last. Which of them are prepared is up to the
 * client of the database.
 */
export class Statements {
  readonly #kept: LRUCache<string, Statement>

  constructor(most = MOST) {
    this.#kept = new LRUCache({ max: most, maxSize: MOST_CHARACTERS, sizeCalculation: (_, { length }) => length })
  }

  /** @param make makes the statement, of a name: drizzle prepares statements that have one. */
  get(shape: string, make: (name: string) => Statement): Statement {
    let statement = this.#kept.get(shape)
    if (statement) return statement
    statement = make(shape)
    this.#kept.set(shape, statement)
    return statement
  }
}
