import t from 'tap'
import { ApiError, catalogue, type ErrorCode, validationFailed } from '#src/errors.ts'
import { Problem, toProblem } from '#src/http/problem.ts'
import { compileValidator } from '#src/schema/validate.ts'

const check = compileValidator(Problem as unknown as Record<string, unknown>, 'body')

t.test('every code of the catalogue makes a body that fits the schema', async (t) => {
  for (const [code, [status, title, meaning]] of Object.entries(catalogue)) {
    const problem = toProblem(new ApiError(code as ErrorCode), 'req-1')
    t.equal(check(problem), true)
    t.match(problem, { status, title, detail: meaning, instance: 'req-1', success: false, error: { code } })
    t.equal(problem.type, `/docs/errors#${code.toLowerCase()}`)
  }
})

t.test('faults and facts have their places, and the message has the number of faults', async (t) => {
  const fault = { in: 'body', path: '/a', code: 'type', message: 'must be string' } as const
  const one = toProblem(validationFailed([fault]), 'req-2')
  t.match(one, { detail: '1 field was refused.', details: [fault], error: { details: {} } })
  t.equal(validationFailed([fault, fault]).message, '2 fields were refused.')
  const facts = toProblem(new ApiError('FORBIDDEN', 'No.', { facts: { scope: 'items:read' } }), 'req-3')
  t.same(facts.error, { code: 'FORBIDDEN', message: 'No.', details: { scope: 'items:read' } })
})

t.test('the cause of an error is for the log, not for the answer', async (t) => {
  const problem = toProblem(new ApiError('INTERNAL', undefined, { cause: new Error('canary') }), 'req-4')
  t.notMatch(JSON.stringify(problem), /canary/)
})
