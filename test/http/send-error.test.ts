import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { toKnown } from '#src/http/send-error.ts'

const request = { raw: {}, route: { config: {} } } as unknown as FastifyRequest
const known = (error: object) => toKnown(Object.assign(new Error('of the inside'), error), request)

t.test('an error of the framework has the code of its status, and none of its message', async (t) => {
  const error = known({ statusCode: 415, code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE' })
  t.match(error, { code: 'UNSUPPORTED_MEDIA_TYPE', statusCode: 415 })
  t.notMatch(error.message, /inside/)
})

t.test('an error of any other code is internal, whatever status it names', async (t) => {
  for (const error of [
    { statusCode: 404, code: 'ENOENT' },
    { statusCode: 404 },
    { statusCode: 418, code: 'FST_X' },
    {}
  ]) {
    t.match(known(error), { code: 'INTERNAL', statusCode: 500 }, JSON.stringify(error))
  }
})
