import { DrizzleQueryError } from 'drizzle-orm'
import t from 'tap'
import { ApiError } from '#src/errors.ts'
import { describeForLog } from '#src/observe/error-for-log.ts'

const failed = (cause: Error) => new DrizzleQueryError('insert into users values ($1)', ['canary'], cause)

t.test('a failed statement is logged with its code and place, and without values', async (t) => {
  const cause = Object.assign(new Error('duplicate key: canary'), {
    code: '23505',
    severity: 'ERROR',
    detail: 'Key (email)=(canary) already exists.',
    table_name: 'users',
    constraint_name: 'users_email_unique'
  })
  const logged = describeForLog(failed(cause))
  t.match(logged, { message: 'a statement failed', code: '23505', constraint_name: 'users_email_unique' })
  t.match(logged.stack, /^\s+at /)
  t.notMatch(JSON.stringify(logged), /canary/)
})

t.test('a statement that never reached the database is reported by its cause, without its values', async (t) => {
  const refused = describeForLog(failed(new ApiError('OVERLOADED', 'Too many wait.')))
  t.match(refused, { message: 'a statement failed', cause: { type: 'ApiError', message: 'Too many wait.' } })
  const odd = Object.assign(new Error('Max number of parameters exceeded'), { code: 'MAX_PARAMETERS_EXCEEDED' })
  t.match(describeForLog(failed(odd)), { cause: { message: 'Max number of parameters exceeded' } })
  t.notMatch(JSON.stringify([refused, describeForLog(failed(odd))]), /canary|insert/)
})

t.test('any other error keeps its message and its causes', async (t) => {
  const logged = describeForLog(new TypeError('outer', { cause: new RangeError('inner', { cause: 'text' }) }))
  t.match(logged, { type: 'TypeError', message: 'outer', cause: { type: 'RangeError', message: 'inner' } })
  t.notMatch(logged.stack, /outer/)
})

t.test('a missing file is not a failed statement', async (t) => {
  const missing = Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT', errno: -2 })
  t.match(describeForLog(missing), { type: 'Error', message: 'ENOENT: no such file' })
})

t.test('a thrown value that is no error is still logged', async (t) => {
  const bare = new Error('no stack')
  delete bare.stack
  t.same(describeForLog(bare), { type: 'Error', message: 'no stack', stack: '' })
  t.same(describeForLog('only text'), { type: 'string', message: 'only text', stack: '' })
  t.same(describeForLog(null), { type: 'object', message: 'null', stack: '' })
})
