import { fill } from '../values/template.ts'
import type { LoadAnswer, LoadRequest } from './connection.ts'
import type { Chain, Step, WorkerPlan } from './plan.ts'

/** A row that a run made and did not delete. */
export interface LeftRow {
  chain: string
  id: string | number
}

/** Numbers that only one worker counts, as texts of ten characters. */
export class UniqueTexts {
  #next = 0
  readonly #mark: string

  constructor(mark: string) {
    this.#mark = mark
  }

  take(): string {
    this.#next += 1
    return this.#mark + this.#next.toString(36).padStart(8, '0')
  }
}

/** A user: it goes through the steps of a chain, and then takes another. */
export class VirtualUser {
  readonly #plan: WorkerPlan
  readonly #unique: UniqueTexts
  readonly #weights: number
  #chain!: Chain
  #at = 0
  #row: string | number | undefined
  #taken = 0
  readonly #left: LeftRow[] = []

  constructor(plan: WorkerPlan, unique: UniqueTexts) {
    this.#plan = plan
    this.#unique = unique
    this.#weights = plan.chains.reduce((sum, { weight }) => sum + weight, 0)
    this.#choose()
  }

  /** The rows that were made and not deleted. */
  left(): LeftRow[] {
    this.#leave()
    return this.#left
  }

  /** The step that comes next. */
  get step(): Step {
    return this.#chain.steps[this.#at] as Step
  }

  /** The request of the next step. */
  request(): LoadRequest {
    const { method, path, headers, body, kind } = this.step
    const filling = {
      unique: this.#unique.take(),
      id: this.#row ?? '',
      reference: (collection: string) => this.#reference(collection)
    }
    return {
      method,
      path: fill(path, filling, true),
      headers,
      body: body && fill(body, filling, false),
      isKept: kind === 'create'
    }
  }

  /** Takes the answer to the last request, and goes on to the next step. */
  next({ status, text }: LoadAnswer): void {
    const { kind } = this.step
    const isGood = status > 0 && status < 400
    if (kind === 'create' && isGood) this.#row = idIn(text, this.#chain.idField)
    // What was not made cannot be read; what is not deleted in the end is left.
    const isOver = kind === 'create' && this.#row === undefined
    if (kind === 'delete' && isGood) this.#row = undefined
    this.#at += 1
    if (isOver || this.#at >= this.#chain.steps.length) this.#choose()
  }

  #choose(): void {
    this.#leave()
    let choice = Math.random() * this.#weights
    for (const chain of this.#plan.chains) {
      this.#chain = chain
      choice -= chain.weight
      if (choice < 0) break
    }
    this.#at = 0
  }

  #leave(): void {
    if (this.#row !== undefined) this.#left.push({ chain: this.#chain.name, id: this.#row })
    this.#row = undefined
  }

  #reference(collection: string): string | number {
    const ids = this.#plan.rows[collection] ?? []
    this.#taken += 1
    return ids[this.#taken % ids.length] ?? ''
  }
}

function idIn(text: string, field: string): string | number | undefined {
  try {
    return JSON.parse(text)[field]
  } catch {
    return undefined
  }
}
