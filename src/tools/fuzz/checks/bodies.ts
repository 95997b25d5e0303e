import fc from 'fast-check'
import { inputsOf, jsonBody } from '../../values/inputs.ts'
import { Fault } from '../finding.ts'
import { type CheckMaker, check } from './check.ts'

const KIB = 1024

/** What each of these sends, made from a valid body. */
export const BODIES: Record<string, (text: string) => string> = {
  empty: () => '',
  'cut off': (text) => text.slice(0, -1),
  'two values': (text) => `${text}${text}`,
  'no JSON': () => "{'a':1}",
  NaN: () => 'NaN',
  __proto__: () => '{"__proto__":{"admin":true}}',
  'a lone surrogate': () => '{"a":"\\ud800"}',
  'a NUL': () => '{"a":"\\u0000"}',
  'a number without end': () => '{"a":1e400}',
  '64 KiB': (text) => padded(text, 64 * KIB),
  '1 MiB': (text) => padded(text, 1024 * KIB),
  '2 MiB': (text) => padded(text, 2048 * KIB),
  '9 MiB': (text) => padded(text, 9 * 1024 * KIB),
  'deep lists': () => '['.repeat(20_000) + ']'.repeat(20_000),
  'deep objects': () => `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
  'many names': () => `{${Array.from({ length: 20_000 }, (_, at) => `"a${at}":1`).join(',')}}`
}
const NEVER_VALID = ['cut off', 'two values', 'no JSON', 'NaN']
const TYPES = [
  'text/plain',
  'application/xml',
  'multipart/form-data; boundary=a',
  'application/json; charset=utf-16',
  'json'
]

/** Bodies that are no JSON, or too much of it: refused as documented, and the server goes on. */
export const bodies: CheckMaker = (session) =>
  session.operations
    .filter((one) => session.isTried(one))
    .flatMap((operation) => {
      const json = jsonBody(operation)
      const inputs = json && inputsOf(operation, session.schemas, 0)
      if (!inputs) return []
      const kinds = [...Object.keys(BODIES), ...TYPES]
      return check({
        name: 'body',
        subject: operation.id,
        weight: 0.5,
        inputs: fc.record({ input: inputs, kind: fc.constantFrom(...kinds) }),
        async run(scene, { input, kind }) {
          const make = BODIES[kind]
          const valid = JSON.stringify(input.body ?? {})
          const body = make ? make(valid) : valid
          const sent = { ...(await scene.filled(operation, input)), contentType: make ? json.media : kind }
          const { status } = await scene.attempt(operation, sent, await scene.rowOf(operation), 'key', { body })
          if (status < 400 && NEVER_VALID.includes(kind))
            throw new Fault('invalid_accepted', operation.id, `${status} for a body that is ${kind}`, kind)
        }
      })
    })

// Blanks around a value mean nothing in JSON, so that the body stays valid.
const padded = (text: string, length: number) => text + ' '.repeat(Math.max(0, length - text.length))
