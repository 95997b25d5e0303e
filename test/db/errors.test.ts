import { DrizzleQueryError } from 'drizzle-orm'
import t from 'tap'
import { findPgError, toApiError } from '#src/db/errors.ts'
import { ApiError, type Fault } from '#src/errors.ts'

const failed = (cause: Error) => new DrizzleQueryError('insert canary', ['canary'], cause)
const pgError = (code: string, extras = {}) =>
  Object.assign(new Error('canary'), { code, severity: 'ERROR', detail: 'canary', ...extras })
const fault: Fault = { in: 'body', path: '/sku', code: 'unique', message: 'is already taken' }
const fieldOf = (constraint: string) => (constraint === 'products_sku_unique' ? fault : undefined)

t.test('each class of failure has its answer, and no word of the statement is in it', async (t) => {
  for (const [code, answer, status] of [
    ['23505', 'CONFLICT', 409],
    ['23503', 'REFERENCE_CONFLICT', 409],
    ['23001', 'REFERENCE_CONFLICT', 409],
    ['23514', 'VALIDATION_FAILED', 422],
    ['22003', 'VALIDATION_FAILED', 422],
    ['25006', 'UNAVAILABLE', 503],
    ['28P01', 'UNAVAILABLE', 503],
    ['3D000', 'UNAVAILABLE', 503],
    ['55000', 'UNAVAILABLE', 503],
    ['40001', 'UNAVAILABLE', 503],
    ['40P01', 'UNAVAILABLE', 503],
    ['53300', 'UNAVAILABLE', 503],
    ['57014', 'UNAVAILABLE', 503],
    ['57P01', 'UNAVAILABLE', 503],
    ['08006', 'UNAVAILABLE', 503],
    ['58030', 'UNAVAILABLE', 503]
  ] as const) {
    const error = toApiError(failed(pgError(code)), fieldOf)
    t.match(error, { code: answer, statusCode: status }, code)
    t.notMatch(JSON.stringify({ ...error, message: error?.message, cause: undefined }), /canary/)
    t.equal(error?.headers['retry-after'], status === 503 ? '1' : undefined)
  }
})

t.test('a lost connection is 503, whatever the socket calls it', async (t) => {
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'CONNECT_TIMEOUT', 'CONNECTION_CLOSED']) {
    const error = toApiError(failed(Object.assign(new Error('canary'), { code, errno: -1 })), fieldOf)
    t.match(error, { code: 'UNAVAILABLE', message: 'The database cannot be reached.' })
  }
})

t.test('a violated constraint names the field behind it, as either driver tells it', async (t) => {
  for (const extras of [{ constraint_name: 'products_sku_unique' }, { constraint: 'products_sku_unique' }]) {
    t.match(toApiError(pgError('23505', extras), fieldOf), { code: 'CONFLICT', faults: [fault] })
    t.match(toApiError(pgError('23514', extras), fieldOf), { message: '1 field was refused.', faults: [fault] })
  }
  t.same(toApiError(pgError('23505', { constraint: 'other' }), fieldOf)?.faults, [])
})

t.test('a refusal of the limiter is the answer, though drizzle wraps it', async (t) => {
  const refused = new ApiError('OVERLOADED', 'Too many wait.')
  t.equal(toApiError(failed(refused), fieldOf), refused)
})

t.test('an error that is no failure of the database is left to others', async (t) => {
  for (const error of [
    undefined,
    'text',
    new Error('plain'),
    failed(pgError('42601')),
    pgError('XX000'),
    Object.assign(new Error('missing'), { code: 'ENOENT', errno: -2 }),
    Object.assign(new Error('odd'), { code: 7, severity: 'ERROR' })
  ]) {
    t.equal(toApiError(error, fieldOf), undefined)
  }
  t.equal(findPgError(failed(new Error('plain'))), undefined)
})
