import { createHash } from 'node:crypto'

/** Numbers that look random, and are the same for the same seed. They guard nothing. */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** @param seed any text. */
  constructor(seed: string) {
    const hash = createHash('sha256').update(seed).digest()
    this.#a = hash.readInt32LE(0)
    this.#b = hash.readInt32LE(4)
    this.#c = hash.readInt32LE(8)
  }

  /** 32 bits. The generator is sfc32 of PractRand: a 128-bit state, and a few nanoseconds for each number. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A number from 0 to 1, 1 excluded. */
  fraction(): number {
    return this.next() / 0x1_0000_0000
  }

  /** A whole number between two, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1))
  }

  /** Whether something of this probability happens. */
  happens(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.fraction() * list.length)] as T
  }

  /** Fills bytes. */
  bytes(count: number): Buffer {
    const bytes = Buffer.alloc(count)
    for (let at = 0; at < count; at += 1) bytes[at] = this.next() & 0xff
    return bytes
  }
}
