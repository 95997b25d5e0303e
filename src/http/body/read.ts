import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { ApiError } from '../../errors.ts'
import { decodeBody } from './decode.ts'

type Done = (error: Error | null, body?: Buffer) => void

/**
 * Reads the body of a request, without its `Content-Encoding`.
 * @param limit the most bytes that it may have, encoded and decoded.
 * @param done gets the body, empty where there are no bytes; or PAYLOAD_TOO_LARGE, and what `decodeBody` refuses.
 */
export function readBody({ raw }: FastifyRequest, payload: Readable, limit: number, done: Done): void {
  const { 'content-length': length, 'content-encoding': encoding } = raw.headers
  if (Number(length) > limit) return void done(tooLarge(limit))
  const source = decodeBody(payload, encoding)
  const parts: Buffer[] = []
  let size = 0
  function take(part: Buffer): void {
    size += part.length
    if (size <= limit) return void parts.push(part)
    finish(tooLarge(limit))
    // What a small body decodes to can be a thousand times as long.
    if (source !== payload) source.destroy()
  }
  function end(): void {
    // A copy: the connection uses the memory of its parts again.
    finish(null, Buffer.concat(parts, size))
  }
  function finish(error: Error | null, body?: Buffer): void {
    // After a refusal there can be other errors, such as that of a connection that is closed.
    source.off('data', take).off('end', end).off('error', finish).on('error', ignore)
    done(error, body)
  }
  source.on('data', take).on('end', end).on('error', finish)
}

const ignore = () => {}

function tooLarge(limit: number): ApiError {
  return new ApiError('PAYLOAD_TOO_LARGE', `The body is larger than the ${limit} bytes that this route accepts.`)
}
