import { type Answer, Call, call, type Operation } from './call.ts'
import type { Client } from './client.ts'

/** A page of a list. */
export interface Page<Row> {
  data: Row[]
  page: { limit: number; next: string | null; previous: string | null; total?: number }
}

/**
 * A list under way: await it for its first page, or go through all rows with `for await`. Further pages are asked for when
 * their rows are.
 */
export class Pages<Row> extends Call<Page<Row>> implements AsyncIterable<Row> {
  readonly #next: (cursor: string) => Call<Page<Row>>

  constructor(first: Promise<Answer<Page<Row>>>, next: (cursor: string) => Call<Page<Row>>) {
    super(first)
    this.#next = next
  }

  /** Every page, from the first. */
  async *pages(): AsyncGenerator<Page<Row>, void> {
    let page: Page<Row> = await this.then()
    yield page
    while (page.page.next !== null) {
      page = await this.#next(page.page.next)
      yield page
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Row, void> {
    for await (const { data } of this.pages()) yield* data
  }
}

/** Asks for a list. */
export function list<Row>(client: Client, operation: Operation): Pages<Row> {
  const { query } = operation
  return new Pages<Row>(call<Page<Row>>(client, operation).answer(), (cursor) =>
    // Not kept for 304: a long list would push out everything else. A cursor goes on from its place, without an offset.
    call<Page<Row>>(client, { ...operation, query: { ...query, offset: undefined, cursor }, isTagged: false })
  )
}
