/** An item that knows its place in the list that holds it: -1 while it is in none. */
export interface Placed {
  place: number
}

/**
 * Items that come and go with every request, in no order. A long-lived `Map` or `Set` must not hold them: V8 moves its table
 * into the old generation, each table it grows into afterwards is allocated there too, and everything that a dead table
 * still names stays until the next full collection (measured: 112 of 113 MB of one young generation survived).
 */
export class SwapRemoveList<T extends Placed> {
  readonly items: T[] = []

  add(item: T): void {
    item.place = this.items.push(item) - 1
  }

  /** Removes an item by moving the last one into its place; does nothing where it was removed before. */
  remove(item: T): void {
    const { items } = this
    if (item.place < 0) return
    const last = items.pop() as T
    if (last !== item) {
      items[item.place] = last
      last.place = item.place
    }
    item.place = -1
  }
}
