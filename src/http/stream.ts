import type { Hmac } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FastifyRequest, RouteHandlerMethod } from 'fastify'
import { runDetached } from '../concurrency/request-scope.ts'
import type { Database } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import { type Answer, send } from './answer.ts'
import { asDryRun, dryRun, finish, preferencesOf, serializeBody } from './change.ts'
import type { ChangeContext } from './change-context.ts'
import { keyUseOf } from './idempotency/key.ts'
import { asSent, encrypted, findReplay, inProgress, previewKey, type SentAnswer } from './idempotency/run-idempotent.ts'
import { type Claim, claimKey, keepAnswer, releaseClaim, renewClaim } from './idempotency/store.ts'
import { allowLongBody } from './long-bodies.ts'
import { applyPreferences } from './prefer.ts'

/** Reads a body as it comes, changes what it says on the database that it is given, and says what to answer. */
export type Stream = (request: FastifyRequest, body: Readable, db: Database) => Promise<Answer>

/** The handler of a route that reads its body as a stream. @param types the media types that it takes. */
export function streamHandler(context: ChangeContext, types: string[], stream: Stream): RouteHandlerMethod {
  return async function handleStream(request, reply) {
    allowLongBody(request.raw)
    const body = request.body as Readable | undefined
    const serialize = (answer: Answer) => serializeBody(reply, answer)
    try {
      if (!body) throw new ApiError('UNSUPPORTED_MEDIA_TYPE', `Send ${types.join(' or ')}.`)
      const preferences = preferencesOf(request)
      const make = async (readable: Readable, db: Database) =>
        applyPreferences(await stream(request, readable, db), preferences)
      if (preferences.tx === 'rollback') return send(reply, await dryRunStream(context, request, body, make))
      const run = (readable: Readable) => finish(context, () => make(readable, context.db))
      if (request.headers['idempotency-key'] === undefined) return send(reply, await run(body))
      const once = async (readable: Readable) => asSent(await run(readable), serialize)
      return send(reply, await streamOnce(context.db, request, body, once))
    } catch (error) {
      throw request.raw.aborted ? new ApiError('BAD_REQUEST', 'The body ended early.', { cause: error }) : error
    }
  }
}

// The body is kept in a file first: the transaction, its connection and its locks last only as long as the database needs,
// however slowly the body comes.
async function dryRunStream(
  context: ChangeContext,
  request: FastifyRequest,
  body: Readable,
  make: (body: Readable, db: Database) => Promise<Answer>
): Promise<Answer> {
  const use = request.headers['idempotency-key'] === undefined ? undefined : keyUseOf(request, () => [])
  const digest = use?.fingerprint().update(`${request.headers['content-type']}\n`)
  const directory = await mkdtemp(join(tmpdir(), 'tenon-dry-run-'))
  try {
    const file = join(directory, 'body')
    await pipeline(
      noting(body, (chunk) => digest?.update(chunk)),
      createWriteStream(file, { mode: 0o600 })
    )
    const repeated = use && (await previewKey(context.db, use, () => (digest as Hmac).digest('base64url')))
    if (repeated) return asDryRun(repeated)
    return await finish(context, () => dryRun(context, (tx) => make(createReadStream(file), tx)))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const ignore = () => {}

const LEASE_SECONDS = 60
/** How often a stream under way says that it goes on. */
export const RENEW_EVERY_MS = 15_000

// A stream is no transaction, so its key is taken before it and its answer kept after it. One that does not get so far
// leaves the key free: at once, also when its caller has left, or when the process died, as soon as its lease is over.
async function streamOnce(
  db: Database,
  request: FastifyRequest,
  body: Readable,
  run: (body: Readable) => Promise<SentAnswer>
): Promise<Answer> {
  const use = keyUseOf(request, () => [])
  const digest = use.fingerprint().update(`${request.headers['content-type']}\n`)
  const claimedAt = await claimKey(db, use.stored, '', LEASE_SECONDS)
  if (claimedAt === undefined) {
    const repeated = await findReplay(db, use, async () => {
      for await (const chunk of body) digest.update(chunk)
      return digest.digest('base64url')
    })
    if (!repeated) throw inProgress()
    return repeated
  }
  const claim = { key: use.stored, claimedAt }
  const stopRenewing = keepRenewing(db, claim)
  try {
    const answer = await run(noting(body, (chunk) => digest.update(chunk))).finally(stopRenewing)
    await runDetached(() => keepAnswer(db, claim, digest.digest('base64url'), encrypted(answer, use)))
    return answer
  } catch (error) {
    // Where the database is away the lease ends it.
    await runDetached(() => releaseClaim(db, claim)).catch(ignore)
    throw error
  }
}

function keepRenewing(db: Database, claim: Claim): () => void {
  // One that fails is followed by others before the lease is over.
  const timer = setInterval(() => runDetached(() => renewClaim(db, claim, LEASE_SECONDS)).catch(ignore), RENEW_EVERY_MS)
  return () => clearInterval(timer)
}

function noting(body: Readable, note: (chunk: Buffer) => void): Readable {
  async function* noted() {
    // Leaving early must not end the connection: the answer that says why is still to be sent.
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      note(chunk)
      yield chunk
    }
  }
  // The reader of the stream receives its errors; an error after the reading has ended has no reader and is ignored.
  return Readable.from(noted(), { objectMode: false }).on('error', ignore)
}
