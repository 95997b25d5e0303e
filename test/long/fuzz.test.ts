import t, { type Test } from 'tap'
import type { Finding } from '#src/tools/fuzz/finding.ts'
import { fuzz } from '#src/tools/fuzz/run.ts'
import type { Target } from '#src/tools/fuzz/session.ts'
import { readDocument } from '#src/tools/openapi/document.ts'
import { KEYS, notesApp } from '#test/fixtures/notes/app.ts'
import type { Planted } from '#test/fixtures/notes/types.ts'
import { startApp } from '#test/support/app.ts'
import { isPostgres } from '#test/support/database.ts'

const TENON_CASES = 4_000
const NOTES_CASES = 2_000

async function targetOf(address: string, key: string, otherKey: string): Promise<Target> {
  const document = await readDocument(`${address}/openapi.json`)
  return {
    document,
    key,
    otherKey,
    headers: {},
    only: undefined,
    skip: [],
    seed: 1,
    ownerFields: ['ownerId', 'userId']
  }
}

async function startNotes(t: Test, planted?: Planted): Promise<Target> {
  const app = notesApp(planted)
  t.teardown(() => app.close())
  return targetOf(await app.listen({ port: 0, host: '127.0.0.1' }), KEYS.one, KEYS.other)
}

t.test('nothing is found in Tenon', async (t) => {
  const { app, send, someone } = await startApp(t, { RATE_LIMIT_ENABLED: 'false' })
  const [admin, member] = [await someone('admin'), await someone()]
  const make = async (as: string, scopes: string[]) =>
    (await send('POST', '/api/v1/api-keys', { as, body: { name: 'fuzz', scopes } })).body.key
  const key = await make(admin.token, ['*'])
  const otherKey = await make(member.token, [
    'items:read',
    'items:write',
    'items:delete',
    'orders:read',
    'orders:write'
  ])
  const target = await targetOf(await app.listen({ port: 0, host: '127.0.0.1' }), key, otherKey)
  const seed = Math.floor(Math.random() * 2 ** 31)
  t.comment(`seed ${seed}`)
  const { findings, cases, onlyRefused } = await fuzz({ ...target, seed }, { cases: TENON_CASES })
  t.same(findings, [])
  t.equal(cases, TENON_CASES)
  for (const id of ['createProduct', 'updateProduct', 'createOrder', 'bulkCreateItems', 'listOrders'])
    t.notOk(onlyRefused.includes(id), `${id} succeeded`)
})

// Theirs is no database: once is enough.
const skip = isPostgres && 'applications without a database'

t.test('nothing is found in a sound application', { skip }, async (t) => {
  t.same((await fuzz(await startNotes(t), { cases: NOTES_CASES })).findings, [])
})

const PLANTED: Partial<Record<Planted, string>> = {
  'server error': 'server_error createNote',
  'undocumented status': 'undocumented_status updateNote',
  'wrong type': 'wrong_answer createNote',
  'dropped field': 'not_read_back createNote',
  leak: 'leaked readNote',
  'too wide a filter': 'filter listNotes',
  'skipping cursor': 'pages listNotes',
  'patch that resets': 'patch_changed_more updateNote',
  'resting etag': 'etag readNote',
  'crashing body limit': 'no_answer '
}

for (const [planted, expected] of Object.entries(PLANTED)) {
  t.test(`a whole run finds a fault: ${planted}`, { skip }, async (t) => {
    const found = new AbortController()
    const onFinding = ({ signature }: Finding) => signature.startsWith(expected) && found.abort()
    const options = { cases: NOTES_CASES, onFinding, signal: found.signal }
    const { findings } = await fuzz(await startNotes(t, planted as Planted), options)
    t.ok(
      findings.some(({ signature }) => signature.startsWith(expected)),
      findings.map((one) => one.signature).join('; ')
    )
  })
}
