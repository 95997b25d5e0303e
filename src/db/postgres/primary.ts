import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { ApiError } from '#src/errors.ts'
import { findPgError, isLostConnection } from '../errors.ts'
import { withDeadline } from './timeout.ts'
import { type Address, type ConnectOptions, type DatabaseUrl, ignoreNotice } from './url.ts'

const TRY_EVERY_MS = 100
const ANSWER_MS = 1500

/**
 * The server that takes writes, of those that a URL names. postgres.js could be given several hosts, but it takes a
 * standby for `read-write`, and never gets past a host that does not answer at all.
 */
export class Primary {
  readonly url: DatabaseUrl
  #address: Address
  #search: Promise<void> | undefined
  #isClosed = false

  constructor(url: DatabaseUrl) {
    this.url = url
    this.#address = url.addresses[0] as Address
  }

  /** What postgres.js needs to connect to the server that was found last. */
  get options(): ConnectOptions {
    return this.url.optionsFor(this.#address)
  }

  /**
   * Finds out which server takes writes. Asks nothing where there is only one.
   * @throws ApiError UNAVAILABLE when none does, or what a server said that cannot be asked, such as a wrong password.
   */
  async find(): Promise<void> {
    const { addresses } = this.url
    if (addresses.length === 1) return
    const asked = addresses.map(async (address) => {
      await assertTakesWrites(this.url.optionsFor(address))
      return address
    })
    try {
      this.#address = await Promise.any(asked)
    } catch (error) {
      const errors = (error as AggregateError).errors as Error[]
      throw errors.find((one) => findPgError(one) && !isLostConnection(one)) ?? errors[0]
    }
  }

  /**
   * Searches until a server takes writes; concurrent callers share one search.
   * @returns whether the server is another one.
   */
  async follow(): Promise<boolean> {
    if (this.url.addresses.length === 1) return false
    const before = this.#address
    this.#search ??= this.#findAtLast().finally(() => {
      this.#search = undefined
    })
    await this.#search
    return this.#address !== before
  }

  /** Looks no more. */
  close(): void {
    this.#isClosed = true
  }

  async #findAtLast(): Promise<void> {
    while (!this.#isClosed) {
      try {
        return await this.find()
      } catch {
        await sleep(TRY_EVERY_MS, undefined, { ref: false })
      }
    }
  }
}

async function assertTakesWrites(options: ConnectOptions): Promise<void> {
  const client = postgres({ ...options, max: 1, fetch_types: false, prepare: false, onnotice: ignoreNotice })
  try {
    const answer = client`select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as refuses`
    const [row] = await withDeadline(answer, ANSWER_MS)
    if (row?.refuses) throw new ApiError('UNAVAILABLE', 'No server takes writes at the moment.')
  } finally {
    void client.end({ timeout: 0 })
  }
}
