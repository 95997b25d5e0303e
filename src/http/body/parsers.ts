import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { takeTurns } from '../../concurrency/turns.ts'
import { ApiError } from '../../errors.ts'
import { parseJson } from '../../schema/json/parse.ts'
import { parseJsonInSlices } from '../../schema/json/slices.ts'
import { compileValidator } from '../../schema/validate.ts'
import { decodeBody } from './decode.ts'
import { readBody } from './read.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body may be left out: no bytes are an empty object. */
    hasOptionalBody?: true
    /** How many values a body may have before it is parsed; it follows from the schema of the body. */
    maxValues?: number
  }
}

type Done = (error: Error | null, body?: unknown) => void
/** Makes a body of what comes, as Fastify calls it. */
type BodyParser = (request: FastifyRequest, payload: Readable, done: Done) => void

// Parsing that takes longer than a millisecond yields to other requests.
const SLICED_BYTES = 65_536

/** Parses a JSON body, within the bounds of its route. A route that declares no body takes none, or an empty object. */
export const jsonParser: BodyParser = (request, payload, done) => {
  // Where there is nothing, whatever is wrong with the body does not matter.
  if (request.is404) return void done(null)
  const { bodyLimit, config, schema } = request.route
  readBody(request, payload, bodyLimit, (error, bytes) => {
    if (error) return void done(error)
    const body = bytes as Buffer
    if (schema?.body !== undefined && body.length > SLICED_BYTES) {
      parseJsonInSlices(body, config.maxValues as number, takeTurns()).then((value) => done(null, value), done)
      return
    }
    settle(done, () => {
      if (body.length === 0) return noBody(request, () => new ApiError('INVALID_JSON', 'The body is empty.'))
      const value = parseJson(body, config.maxValues)
      return schema?.body === undefined ? refuseContent(value) : value
    })
  })
}

/** Parses a form. @param limit its most bytes. @param parse gives the body of its text, or throws ApiError. */
export const formParser =
  (limit: number, parse: (text: string) => unknown): BodyParser =>
  (request, payload, done) => {
    readBody(request, payload, limit, (error, body) => {
      if (error) done(error)
      else settle(done, () => parse((body as Buffer).toString('utf8')))
    })
  }

/** Gives the body as it comes, decoded, to the handler that reads it. */
export const streamParser: BodyParser = (request, payload, done) =>
  settle(done, () => decodeBody(payload, request.raw.headers['content-encoding']))

/**
 * Takes what has no parser, and no bytes: many clients send the type of a form, or chunks without any, with a request that
 * has no body. Everything else is UNSUPPORTED_MEDIA_TYPE. @param accepted what the message says to send.
 */
export const otherParser =
  (accepted: string): BodyParser =>
  (request, payload, done) => {
    if (request.is404) return void done(null)
    const unsupported = () => new ApiError('UNSUPPORTED_MEDIA_TYPE', `The body must be ${accepted}.`)
    // Without a type the schema says whether a body is needed.
    const hasType = request.raw.headers['content-type'] !== undefined
    const none = () => settle(done, () => (hasType ? noBody(request, unsupported) : undefined))
    const refuse = () => finish(() => done(unsupported()))
    const end = () => finish(none)
    const fail = (error: Error) => finish(() => done(error))
    function finish(then: () => void): void {
      // After a refusal there can be other errors, such as that of a connection that is closed.
      payload
        .off('data', refuse)
        .off('end', end)
        .off('error', fail)
        .on('error', () => {})
      then()
    }
    payload.on('data', refuse).on('end', end).on('error', fail)
  }

// Not with `done` inside the attempt: what fails after it is not the body's fault.
function settle(done: Done, make: () => unknown): void {
  let body: unknown
  try {
    body = make()
  } catch (refusal) {
    return void done(refusal as Error)
  }
  done(null, body)
}

// No bytes are no body, whatever type they are said to have. Where the route needs one, that is what is told.
function noBody({ route: { schema, config } }: FastifyRequest, refusal: () => ApiError): undefined {
  if (schema?.body !== undefined && !config.hasOptionalBody) throw refusal()
}

const validateEmpty = compileValidator({ type: 'object', properties: {}, additionalProperties: false }, 'body')

// What a route does not declare would be passed over without a word.
function refuseContent(body: unknown): undefined {
  const valid = validateEmpty(body)
  if (valid !== true) throw valid.error
  return undefined
}
