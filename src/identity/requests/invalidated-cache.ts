interface Load<V> {
  value: Promise<V | undefined>
  isStale: boolean
}

/**
 * Rows of the database, cached until a change is notified. Bounded: the oldest goes first. Missing rows are not cached:
 * clients could fill the memory with invented keys.
 */
export class InvalidatedCache<V> {
  readonly #kept = new Map<string, V>()
  readonly #loading = new Map<string, Load<V>>()
  readonly #find: (key: string) => Promise<V | undefined>
  readonly #most: number
  readonly #isFresh: () => boolean

  /** @param isFresh whether changes are followed: otherwise cached values are not trusted. */
  constructor(find: (key: string) => Promise<V | undefined>, most: number, isFresh: () => boolean) {
    this.#find = find
    this.#most = most
    this.#isFresh = isFresh
  }

  /** The cached value, without a database read. */
  get(key: string): V | undefined {
    return this.#isFresh() ? this.#kept.get(key) : undefined
  }

  /** The cached value, or else the one in the database. Requests for one key at the same time share a read. */
  async load(key: string): Promise<V | undefined> {
    return this.get(key) ?? (this.#loading.get(key) ?? this.#start(key)).value
  }

  /** Drops a key; also a value that is being read now, which may be from before the change. */
  drop(key: string): void {
    this.#kept.delete(key)
    const load = this.#loading.get(key)
    if (load) load.isStale = true
    this.#loading.delete(key)
  }

  /** Drops all keys. */
  clear(): void {
    this.#kept.clear()
    for (const key of this.#loading.keys()) this.drop(key)
  }

  #start(key: string): Load<V> {
    const load: Load<V> = { value: this.#run(key, () => load), isStale: false }
    this.#loading.set(key, load)
    return load
  }

  async #run(key: string, own: () => Load<V>): Promise<V | undefined> {
    try {
      const value = await this.#find(key)
      if (value !== undefined && !own().isStale) this.#keep(key, value)
      return value
    } finally {
      if (this.#loading.get(key) === own()) this.#loading.delete(key)
    }
  }

  #keep(key: string, value: V): void {
    if (this.#kept.size >= this.#most) this.#kept.delete(this.#kept.keys().next().value as string)
    this.#kept.set(key, value)
  }
}
