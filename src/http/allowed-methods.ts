import FindMyWay from 'find-my-way'

/**
 * Which methods a path has. Fastify's own router answers a path with another method like one that does not exist;
 * this one is asked only then.
 */
export class Allowed {
  readonly #router = FindMyWay({ ignoreTrailingSlash: false, caseSensitive: true })
  readonly #methods = new Map<string, Set<string>>()

  add(methods: string[], url: string): void {
    // The wildcard that takes all preflights would make every path one that exists.
    if (url === '*') return
    const known = this.#methods.get(url)
    if (!known) this.#router.on('GET', url, () => {}, this.#methods.set(url, new Set(methods)).get(url))
    for (const method of methods) (known ?? this.#methods.get(url))?.add(method)
  }

  /** The methods of a concrete URL, sorted; none when there is nothing there. */
  find(url: string): string[] {
    const path = url.split('?')[0] as string
    const found = this.#router.find('GET', path)
    return found ? [...(found.store as Set<string>)].sort() : []
  }
}
