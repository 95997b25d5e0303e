import t, { type Test } from 'tap'
import type { FaultKind, Finding } from '#src/tools/fuzz/finding.ts'
import { fuzz, replay } from '#src/tools/fuzz/run.ts'
import type { Target } from '#src/tools/fuzz/session.ts'
import { readDocument } from '#src/tools/openapi/document.ts'
import { KEYS, notesApp } from '#test/fixtures/notes/app.ts'
import type { Planted } from '#test/fixtures/notes/types.ts'

const CASES = 80

async function start(t: Test, planted?: Planted): Promise<Target> {
  const app = notesApp(planted)
  t.teardown(() => app.close())
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const document = await readDocument(`${address}/openapi.json`)
  return {
    document,
    key: KEYS.one,
    otherKey: KEYS.other,
    headers: {},
    only: undefined,
    skip: [],
    seed: 1,
    ownerFields: ['ownerId']
  }
}

const PLANTED: Record<Planted, [FaultKind, string, string]> = {
  'server error': ['server_error', 'createNote', 'lifecycle'],
  'undocumented status': ['undocumented_status', 'updateNote', 'lifecycle'],
  'wrong type': ['wrong_answer', 'createNote', 'lifecycle'],
  'dropped field': ['not_read_back', 'createNote', 'lifecycle'],
  leak: ['leaked', 'readNote', 'hidden'],
  'too wide a filter': ['filter', 'listNotes', 'filter'],
  'skipping cursor': ['pages', 'listNotes', 'pages'],
  'patch that resets': ['patch_changed_more', 'updateNote', 'lifecycle'],
  'resting etag': ['etag', 'readNote', 'lifecycle'],
  'crashing body limit': ['no_answer', 'createNote', 'body'],
  'too narrow a filter': ['filter', 'listNotes', 'filter'],
  'repeating cursor': ['pages', 'listNotes', 'pages'],
  'cursor that ends': ['pages', 'listNotes', 'pages'],
  'other order of small pages': ['pages', 'listNotes', 'pages'],
  'leak in a list': ['leaked', 'listNotes', 'hidden'],
  'change by another': ['leaked', 'updateNote', 'hidden'],
  'removal by another': ['leaked', 'deleteNote', 'hidden'],
  'no default': ['not_read_back', 'createNote', 'lifecycle'],
  'stale match': ['etag', 'updateNote', 'lifecycle'],
  'old etag is fresh': ['etag', 'readNote', 'lifecycle'],
  undead: ['still_there', 'deleteNote', 'lifecycle'],
  'lost at once': ['not_found_again', 'readNote', 'lifecycle'],
  restless: ['not_the_same', 'readNote', 'valid input'],
  'change in spite of refusal': ['refused_but_changed', 'updateNote', 'invalid input'],
  'row in spite of refusal': ['refused_but_changed', 'createNote', 'invalid input'],
  'no key needed': ['credential_ignored', 'listNotes', 'credential'],
  lenient: ['invalid_accepted', 'createNote', 'invalid input'],
  'lenient parser': ['invalid_accepted', 'createNote', 'body'],
  'wrong header': ['wrong_header', 'createNote', 'valid input'],
  'missing header': ['wrong_header', 'listNotes', 'valid input'],
  'text for JSON': ['undocumented_content', 'createNote', 'valid input'],
  'not JSON': ['wrong_answer', 'createNote', 'valid input'],
  'put that drops': ['not_read_back', 'replaceNote', 'lifecycle'],
  'undocumented body': ['undocumented_status', 'deleteNote', 'valid input'],
  'patch that loses': ['not_read_back', 'updateNote', 'lifecycle']
}

t.test('nothing is found in a sound application, every operation is tried, and nothing is left behind', async (t) => {
  const report = await fuzz(await start(t), { cases: 400 })
  t.same(report.findings, [])
  t.same([report.cases, report.leftOut, report.onlyRefused, report.leftBehind], [400, ['deleteNotes'], [], []])
})

for (const [planted, [kind, operation, check]] of Object.entries(PLANTED)) {
  t.test(`finds a fault: ${planted}; and shows it again`, async (t) => {
    const target = await start(t, planted as Planted)
    const isSought = (one: Finding) => one.kind === kind && one.operation === operation
    const found = new AbortController()
    const onFinding = (one: Finding) => isSought(one) && found.abort()
    const { findings } = await fuzz(target, { cases: CASES, checks: [check], onFinding, signal: found.signal })
    t.ok(findings.some(isSought), findings.map(({ signature }) => signature).join('; '))
    const { findings: again } = await replay(target, findings.filter(isSought))
    t.ok(again.some(isSought))
  })
}
