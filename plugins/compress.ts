import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { isNotModified } from '#src/http/conditional.ts'
import {
  type Coding,
  chooseCoding,
  compress,
  compressStream,
  decodedTags,
  encodedTag,
  isCompressible,
  MIN_BYTES
} from '#src/http/content-encoding.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route answers every request with the same bytes for as long as the process runs. */
    isConstant?: true
  }
  interface FastifyRequest {
    /** The coding of the representation that the client has. */
    hadCoding: Coding | null
  }
}

interface Constant {
  etag: string
  identity: Buffer
  encoded: Map<Coding, Promise<Buffer>>
}

/**
 * Compresses answers over 1 kB for clients that ask for it: answers to reads and to changes of many rows. Answers to
 * other changes can carry a secret (a key, a token) beside text of the client, and the compressed length of both would
 * reveal it (BREACH). Constant answers are compressed once, and have an ETag.
 * @fastify/compress leaves the ETag as it is, so two representations share a strong one, and it streams every answer.
 */
export default fp(
  async (app) => {
    const constants = new Map<string, Constant>()
    app.decorateRequest('hadCoding', null)

    app.addHook('onRequest', (request, _reply: FastifyReply, done) => {
      const { headers } = request.raw
      const had = headers['if-none-match']
      if (had !== undefined) {
        request.hadCoding = (/-(br|gzip)"/.exec(had)?.[1] as Coding | undefined) ?? null
        if (request.hadCoding) headers['if-none-match'] = decodedTags(had)
      }
      const must = headers['if-match']
      if (must !== undefined) headers['if-match'] = decodedTags(must)
      done()
    })

    app.addHook('onSend', (request, reply, payload, done) => {
      const { config } = request.route
      if (config?.isConstant && reply.statusCode === 200) {
        sendConstant(request, reply, payload as string | Buffer).then((body) => done(null, body), done)
        return
      }
      const { hadCoding } = request
      if (hadCoding && reply.statusCode === 304) addCoding(reply, hadCoding)
      const accepted = request.raw.headers['accept-encoding']
      if (accepted === undefined || !payload || !mayCompress(request)) return done()
      const coding = chooseCoding(accepted as string)
      if (!coding || !isCompressible(reply.getHeader('content-type')) || reply.hasHeader('content-encoding'))
        return done()
      if (payload instanceof Readable) {
        encodeAs(reply, coding)
        return done(null, compressStream(coding, payload))
      }
      const body = Buffer.from(payload as string)
      if (body.length < MIN_BYTES) return done()
      compress(coding, body).then((encoded) => {
        encodeAs(reply, coding)
        done(null, encoded)
      }, done)
    })

    async function sendConstant(request: FastifyRequest, reply: FastifyReply, payload: string | Buffer) {
      const { url } = request.route
      const constant = constants.get(url as string) ?? makeConstant(payload)
      constants.set(url as string, constant)
      reply.header('etag', constant.etag)
      const { 'if-none-match': has, 'accept-encoding': accepted } = request.raw.headers
      if (isNotModified(has, constant.etag)) {
        reply.code(304).removeHeader('content-length')
        if (request.hadCoding) addCoding(reply, request.hadCoding)
        return null
      }
      const coding = accepted === undefined ? undefined : chooseCoding(accepted as string)
      if (!coding || constant.identity.length < MIN_BYTES) return constant.identity
      const encoded = constant.encoded.get(coding) ?? compress(coding, constant.identity, true)
      constant.encoded.set(coding, encoded)
      const body = await encoded
      encodeAs(reply, coding)
      return body
    }
  },
  { name: 'compress', dependencies: ['auth', 'caching', 'cors', 'errors', 'helmet', 'timing'] }
)

function makeConstant(payload: string | Buffer): Constant {
  const identity = Buffer.from(payload as string)
  const etag = `"${createHash('sha256').update(identity).digest('base64url').slice(0, 22)}"`
  return { etag, identity, encoded: new Map() }
}

const mayCompress = ({ method, route: { config } }: FastifyRequest) =>
  method === 'GET' || method === 'HEAD' || config?.priority === 'batch'

function encodeAs(reply: FastifyReply, coding: Coding): void {
  reply.header('content-encoding', coding).removeHeader('content-length')
  addCoding(reply, coding)
}

function addCoding(reply: FastifyReply, coding: Coding): void {
  const etag = reply.getHeader('etag')
  if (typeof etag === 'string') reply.header('etag', encodedTag(etag, coding))
}
