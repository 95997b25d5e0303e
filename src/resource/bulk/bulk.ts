import { type TSchema, Type } from '@sinclair/typebox'
import { takeTurns } from '#src/concurrency/turns.ts'
import type { Perform } from '#src/http/change.ts'
import { FaultSchema } from '#src/http/problem.ts'
import { Nullable } from '#src/schema/fields.ts'
import type { Asked } from '../asked.ts'
import type { ResourceContext } from '../context.ts'
import type { Resource } from '../model.ts'
import { type Failure, FaultBudget, failed, faultsAt, type Outcome, refuseAll, repeated } from './outcome.ts'
import type { Prepare } from './prepare.ts'
import { settle, settleWhole, type Write } from './settle.ts'

/** The most items of one bulk request, and of one statement. */
export const MAX_ITEMS = 1000

/** 16 MiB: a thousand items of up to 16 KiB each. */
export const BULK_BODY_LIMIT = 16 * 1_048_576

const modeParameter = Type.Unsafe<'atomic' | 'partial'>({
  type: 'string',
  enum: ['atomic', 'partial'],
  default: 'atomic',
  description: '`atomic`: when one item is refused nothing is changed. `partial`: the others are.'
})

export const BulkQuery = Type.Object({ mode: modeParameter }, { additionalProperties: false })

const counted = (name: string) => Type.Integer({ description: `How many items were ${name}.`, examples: [1] })

const BulkResult = Type.Object(
  {
    index: Type.Integer({ description: 'The place of the item in the request, from 0.' }),
    status: Type.Unsafe<string>({ type: 'string', enum: ['created', 'updated', 'skipped', 'deleted', 'failed'] }),
    id: Nullable(Type.String({ format: 'uuid', description: 'The row; null where there is none to name.' })),
    error: Type.Optional(
      Type.Object(
        { code: Type.String({ examples: ['CONFLICT'] }), message: Type.String(), details: Type.Array(FaultSchema) },
        { description: 'Why the item failed, as an error answer says it.', additionalProperties: false }
      )
    )
  },
  { $id: 'BulkResult', title: 'BulkResult', additionalProperties: false }
)

/** The answer of a bulk request: counts, and one result for each item in its order. */
export const BulkAnswer = Type.Object(
  {
    created: counted('created'),
    updated: counted('updated'),
    skipped: counted('skipped'),
    deleted: counted('deleted'),
    failed: counted('refused'),
    results: Type.Array(BulkResult)
  },
  { $id: 'BulkAnswer', title: 'BulkAnswer', additionalProperties: false }
)

interface Bulk<T> {
  resource: Resource
  /** The items as they were sent, and the path of the list in the body. */
  bodies: unknown[]
  path: string
  prepare: Prepare<T>
  write: Write<T>
  /** The value of an item that names its row, and its path in the item, when two items must not name the same row. */
  identity?: { of: (value: T) => unknown; path: string }
}

/**
 * Writes many items at once. Faults of an item by itself are found without the database; the valid items are written by
 * one statement.
 * @throws ApiError in `atomic` mode, when an item is refused: with the faults of all of them.
 */
export async function bulkChange<T>({ query }: Asked, bulk: Bulk<T>): Promise<Perform<ResourceContext>> {
  const { resource, bodies, path, prepare, write, identity } = bulk
  const { mode } = query as { mode: 'atomic' | 'partial' }
  const outcomes: Outcome[] = new Array(bodies.length)
  const items: { index: number; value: T }[] = []
  const seen = new Set<unknown>()
  const pause = takeTurns()
  for (const [index, body] of bodies.entries()) {
    await pause()
    // One item after the other, so that other requests get their turn between two password hashes of this one.
    const prepared = await prepare(body)
    if ('error' in prepared) outcomes[index] = failed(prepared.error)
    else if (identity && seen.size === seen.add(identity.of(prepared.value)).size)
      outcomes[index] = failed(repeated(identity.path), identity.of(prepared.value) as string)
    else items.push({ index, value: prepared.value })
  }
  const refuse = (all: Outcome[]) => refuseAll(failuresIn(all, path))
  if (mode === 'atomic' && items.length < bodies.length) throw refuse(outcomes)
  const values = items.map(({ value }) => value)
  return async ({ db }) => {
    const on = { resource, db }
    const written = await (mode === 'atomic' ? settleWhole(on, values, write, refuse) : settle(on, values, write))
    for (const [at, outcome] of written.entries()) outcomes[(items[at] as { index: number }).index] = outcome
    const told = new FaultBudget()
    const results = outcomes.map((outcome, index) => resultOf(outcome, index, path, told))
    const counts = countOutcomes(outcomes)
    const failures = results.filter(({ status }) => status === 'failed')
    const minimal = failures.length > 0 && { minimalBody: { ...counts, results: failures } }
    return { status: 200, headers: {}, body: { ...counts, results }, ...minimal }
  }
}

const failuresIn = (outcomes: Outcome[], path: string) =>
  [...outcomes.entries()].flatMap(([index, outcome]) =>
    outcome?.status === 'failed' ? [{ path: `${path}/${index}`, error: outcome.error }] : []
  )

/** The number of items with each outcome. */
function countOutcomes(outcomes: Outcome[]) {
  const counts = { created: 0, updated: 0, skipped: 0, deleted: 0, failed: 0 }
  for (const { status } of outcomes) counts[status] += 1
  return counts
}

function resultOf(outcome: Outcome, index: number, path: string, told: FaultBudget) {
  const { status, id } = outcome
  return { index, status, id, ...(status === 'failed' && { error: errorAt(`${path}/${index}`, outcome, told) }) }
}

const errorAt = (path: string, { error }: Failure, told: FaultBudget) => ({
  code: error.code,
  message: error.message,
  details: told.take(faultsAt(path, error))
})

/** A body with a list in it. Each item is checked by itself, so that a wrong item is named and the others can pass. */
export const listBody = (name: string, items: TSchema, others: Record<string, TSchema> = {}) =>
  Type.Object(
    { [name]: Type.Array(items, { minItems: 1, maxItems: MAX_ITEMS }), ...others },
    { additionalProperties: false }
  )
