/**
 * Values that are made once per key and kept, a bounded number of them: where clients choose the keys, an attacker must
 * not fill the memory. When full it drops all of them: honest clients use only a few keys.
 */
export class Bounded<V> {
  readonly #most: number
  readonly #kept = new Map<string, V>()

  constructor(most: number) {
    this.#most = most
  }

  /** The value of a key, made on first use. */
  get(key: string, make: () => V): V {
    let value = this.#kept.get(key)
    if (value === undefined) {
      if (this.#kept.size >= this.#most) this.#kept.clear()
      value = make()
      this.#kept.set(key, value)
    }
    return value
  }
}
