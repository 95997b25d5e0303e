import { Type } from '@sinclair/typebox'
import type { ApiError } from '#src/errors.ts'
import { FaultSchema } from '#src/http/problem.ts'
import { FaultBudget, faultsAt, type Outcome } from './outcome.ts'

// The bound keeps an import of a million bad rows from being answered with a million faults.
const MAX_REPORTED = 1000

const LineError = Type.Object(
  {
    line: Type.Integer({ description: 'The line, from 1; in CSV where the row ends.' }),
    code: Type.String({ examples: ['VALIDATION_FAILED'] }),
    message: Type.String({ examples: ['1 field was refused.'] }),
    details: Type.Array(FaultSchema)
  },
  { $id: 'LineError', title: 'LineError', additionalProperties: false }
)

/** The answer of an import. */
export const ImportReport = Type.Object(
  {
    created: Type.Integer({ examples: [997] }),
    updated: Type.Integer({ examples: [0] }),
    skipped: Type.Integer({ examples: [0] }),
    failed: Type.Integer({ examples: [3] }),
    errors: Type.Array(LineError, { description: `The lines that were refused: the first ${MAX_REPORTED} of them.` }),
    errorsOmitted: Type.Integer({ description: 'How many more lines were refused.', examples: [0] })
  },
  { $id: 'ImportReport', title: 'ImportReport', additionalProperties: false }
)

/** A report as it is kept, to go on with it later. */
export interface SavedReport {
  counts: Record<'created' | 'updated' | 'skipped' | 'failed', number>
  errors: { line: number; code: string; message: string; details: unknown[] }[]
  faultsLeft: number
}

/** Counts the outcomes of the lines of an import, and keeps the first refused lines. */
export class Report {
  readonly #counts: SavedReport['counts']
  readonly #errors: SavedReport['errors']
  readonly #told: FaultBudget

  /** @param saved where an earlier part of the import came to. */
  constructor(saved?: SavedReport) {
    this.#counts = saved?.counts ?? { created: 0, updated: 0, skipped: 0, failed: 0 }
    this.#errors = saved?.errors ?? []
    this.#told = new FaultBudget(saved?.faultsLeft)
  }

  add(line: number, outcome: Outcome): void {
    this.#counts[outcome.status as keyof ReturnType<Report['counts']>] += 1
    if (outcome.status === 'failed') this.#keep(line, outcome.error)
  }

  counts() {
    return this.#counts
  }

  toSaved(): SavedReport {
    return { counts: this.#counts, errors: this.#errors, faultsLeft: this.#told.left }
  }

  toAnswer() {
    // Statements of halves, and lines that never reach one, are not told in their order.
    const errors = this.#errors.toSorted((a, b) => a.line - b.line)
    return { ...this.#counts, errors, errorsOmitted: this.#counts.failed - errors.length }
  }

  #keep(line: number, error: ApiError): void {
    if (this.#errors.length >= MAX_REPORTED) return
    const { code, message } = error
    this.#errors.push({ line, code, message, details: this.#told.take(faultsAt('', error)) })
  }
}
