import { Readable, type Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { ApiError } from '../../errors.ts'

const DECODERS: Record<string, () => Transform> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress
}

const ACCEPTED = 'gzip, deflate, br'

/**
 * A body without its `Content-Encoding` (RFC 9110, section 8.4): as it is where it has none. Reading it fails with
 * ApiError BAD_REQUEST where the bytes are not what the header says.
 * @throws ApiError UNSUPPORTED_MEDIA_TYPE, with `Accept-Encoding`, for an encoding that is not known, and for several.
 */
export function decodeBody(payload: Readable, encoding: string | undefined): Readable {
  const name = encoding?.trim().toLowerCase()
  if (name === undefined || name === '' || name === 'identity') return payload
  const makeDecoder = Object.hasOwn(DECODERS, name) ? DECODERS[name] : undefined
  if (!makeDecoder) {
    throw new ApiError('UNSUPPORTED_MEDIA_TYPE', `The Content-Encoding of a body can be one of ${ACCEPTED}.`, {
      headers: { 'accept-encoding': ACCEPTED }
    })
  }
  const decoder = makeDecoder()
  payload.on('error', (error) => decoder.destroy(error))
  // Not `pipeline`, which destroys the request, and the connection with it, when the decoder fails.
  payload.pipe(decoder)
  return Readable.from(decoded(payload, decoder, name), { objectMode: false })
}

async function* decoded(payload: Readable, decoder: Transform, name: string): AsyncIterable<Buffer> {
  try {
    yield* decoder as AsyncIterable<Buffer>
  } catch (cause) {
    if (payload.errored) throw cause
    throw new ApiError('BAD_REQUEST', `The body is not ${name}, as its Content-Encoding says.`, { cause })
  } finally {
    // What is left is drained when the answer is sent.
    payload.unpipe(decoder)
    decoder.destroy()
  }
}
