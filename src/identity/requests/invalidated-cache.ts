interface Load<V> {
  value: Promise<V | undefined>
  isStale: boolean
}

/**
 * Rows of the database kept in memory until somebody says that they changed. Bounded: the oldest goes first.
 * What does not exist is not kept, or callers could fill the memory with names of their own.
 */
export class InvalidatedCache<V> {
  readonly #kept = new Map<string, V>()
  readonly #loading = new Map<string, Load<V>>()
  readonly #find: (key: string) => Promise<V | undefined>
  readonly #most: number
  readonly #isFresh: () => boolean

  /** @param isFresh whether changes are followed: while they are not, nothing in memory is believed. */
  constructor(find: (key: string) => Promise<V | undefined>, most: number, isFresh: () => boolean) {
    this.#find = find
    this.#most = most
    this.#isFresh = isFresh
  }

  /** What is in memory, without a look into the database. */
  get(key: string): V | undefined {
    return this.#isFresh() ? this.#kept.get(key) : undefined
  }

  /** What is in memory or else in the database. Those who ask for one key at once share a look. */
  async load(key: string): Promise<V | undefined> {
    return this.get(key) ?? (this.#loading.get(key) ?? this.#start(key)).value
  }

  /** Forgets a key; also what is being read of it right now, which may be from before the change. */
  drop(key: string): void {
    this.#kept.delete(key)
    const load = this.#loading.get(key)
    if (load) load.isStale = true
    this.#loading.delete(key)
  }

  /** Forgets everything. */
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
