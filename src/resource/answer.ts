import { runUncancellable } from '../concurrency/request-scope.ts'
import type { Answer } from '../http/answer.ts'
import { etagOf, partEtag } from '../http/conditional.ts'
import type { Principal } from '../identity/principal.ts'
import type { ResourceContext } from './context.ts'
import { openRow, type Row, type Stored, VERSION } from './model.ts'
import { attachIncludes } from './rows/includes.ts'

/** A stored row with its ETag, as it was written or with what is always added to it, for a caller. */
export async function answerStored(
  context: ResourceContext,
  stored: Stored,
  principal: Principal | null,
  status = 200,
  headers: Record<string, string> = {}
): Promise<Answer> {
  const { resource } = context
  const version = stored[VERSION]
  if (resource.isPlain) {
    return { status, headers: { ...headers, etag: etagOf(version) }, body: JSON.stringify(stored.wire) }
  }
  const row = openRow(stored)
  // Do not batch this read: a batch can be refused by the limiter, and the change is already committed.
  await runUncancellable(() => attachIncludes({ ...context, batched: undefined }, [row], { principal }))
  // The text that a read gives, so that the ETag is that of a read.
  const body = resource.serialize(row)
  return { status, headers: { ...headers, etag: partEtag(version, body) }, body }
}

/** A row with its ETag. */
export function answerOf(row: Row, status = 200, headers: Record<string, string> = {}): Answer {
  return { status, headers: { ...headers, etag: etagOf(row[VERSION]) }, body: row }
}
