import { PassThrough } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { readBody } from '#src/http/body/read.ts'

t.test('a connection that breaks after the refusal of its body is refused once', async (t) => {
  const payload = new PassThrough()
  const refusals: (Error | null)[] = []
  readBody({ raw: { headers: {} } } as FastifyRequest, payload, 2, (error) => void refusals.push(error))
  payload.write('abc')
  while (refusals.length === 0) await new Promise(setImmediate)
  const closed = new Promise((resolve) => payload.once('close', resolve))
  payload.destroy(new Error('reset'))
  await closed
  t.equal(refusals.length, 1)
  t.match(refusals[0], { code: 'PAYLOAD_TOO_LARGE' })
})

t.test('a connection that breaks before the end of its body is an error of the body', async (t) => {
  const payload = new PassThrough()
  const done = new Promise<Error | null>((resolve) =>
    readBody({ raw: { headers: {} } } as FastifyRequest, payload, 10, resolve)
  )
  payload.write('abc')
  payload.destroy(new Error('reset'))
  t.match(await done, { message: 'reset' })
})
