import type { ApiError } from '../../errors.ts'

/** One row of an import: its line in what was sent, from 1, and its body or what is wrong with it. */
export type Line = { line: number; bytes: number } & ({ body: unknown } | { error: ApiError })

/** Lines as they come, some at a time. */
export type Lines = AsyncIterable<Line[]>

/** The longest line: as much as the body of a single create may have. */
export const MAX_LINE_BYTES = 1_048_576
