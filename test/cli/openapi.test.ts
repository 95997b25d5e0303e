import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { diffReleased } from '#src/cli/openapi-diff.ts'
import { writeReleased } from '#src/cli/openapi-write.ts'
import { tenon as runTenon } from '#test/support/tenon.ts'
import about from '../../package.json' with { type: 'json' }

const { version } = about

const folder = t.testdir()
const file = join(folder, 'openapi.json')

const tenon = (...args: string[]) => runTenon(args, { cwd: folder })

t.test('the version must show the changes of the document', async (t) => {
  t.match(await tenon('openapi:write'), { code: 0, said: /openapi.json is the document of version \d/ })
  const document = JSON.parse(readFileSync(file, 'utf8'))
  t.same(diffReleased(file, document), { isHonest: true, text: `0 differences to ${version}, 0 of them breaking.` })
  t.match(diffReleased(join(folder, 'none.json'), document), { isHonest: true, text: /Nothing was released yet/ })

  const released = structuredClone(document)
  released.paths['/api/v1/gone'] = { get: { responses: {} } }
  delete released.paths['/livez']
  const after = (from: string) => {
    writeReleased(file, { ...released, info: { version: from } })
    return diffReleased(file, document)
  }
  t.match(after('0.0.1'), {
    isHonest: true,
    text: /^BREAKING {2}GET \/api\/v1\/gone was removed\n {10}GET \/livez was added\n/
  })
  t.match(after(version), { isHonest: false, text: / must be \d\S+ at least, and is / })
  t.match(await tenon('openapi:diff'), { code: 1, said: /BREAKING {2}GET \/api\/v1\/gone was removed/ })
})

t.test('an unknown command is refused, and the known ones are named', async (t) => {
  t.match(await tenon(), { code: 2, said: /^tenon: name a command\n\nUsage: tenon .*\n[\s\S]*\n {2}migrate / })
  t.match(await tenon('constructor'), { code: 2, said: /^tenon: unknown command 'constructor'\n/ })
  t.match(await tenon('migrat'), { code: 2, said: /Did you mean migrate\?/ })
  t.match(await tenon('migrate', '--hep'), { code: 2, said: /unknown option '--hep'/ })
})
