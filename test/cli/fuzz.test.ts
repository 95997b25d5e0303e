import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fuzzCommand } from '#src/cli/fuzz.ts'
import { outputTo } from '#src/cli/output.ts'
import { KEYS, notesApp } from '#test/fixtures/notes/app.ts'
import type { Planted } from '#test/fixtures/notes/types.ts'
import { tryCommand } from '#test/support/command.ts'
import { tenon } from '#test/support/tenon.ts'

const folder = t.testdir({ broken: '{', text: '{}' })

async function listen(planted?: Planted): Promise<string> {
  const app = notesApp(planted)
  t.teardown(() => app.close())
  return `${await app.listen({ port: 0, host: '127.0.0.1' })}/openapi.json`
}

const run = (...args: string[]) => tryCommand(fuzzCommand, args)

t.test('tells in words that nothing was found, and how far it went', async (t) => {
  const args = ['--key', KEYS.one, '--other-key', KEYS.other, '--cases', '60', '--seed', '1', '--header', 'x-a: b']
  const { isSound, said, progress } = await run(await listen(), ...args)
  t.ok(isSound)
  t.match(said, /^60 cases, [\d,]+ requests: no findings\. Seed 1\.\nLeft out, .*: deleteNotes\n/)
  t.same(progress, ['20 of 60 cases, 0 findings', '40 of 60 cases, 0 findings', '60 of 60 cases, 0 findings', ''])
})

t.test('a finding has its requests as curl lines, and is replayed from a file until it is mended', async (t) => {
  const file = join(folder, 'findings.json')
  const args = ['--key', KEYS.one, '--check', 'lifecycle', '--cases', '60', '--seed', '1']
  const [faulty, sound] = [await listen('dropped field'), await listen()]
  const { isSound, said } = await run(faulty, ...args, '--save', file, '--max-findings', '1')
  t.notOk(isSound)
  t.match(
    said,
    /^not_read_back {2}createNote: .*\n {2}curl -sS -i -X POST .*\n[\s\S]* {2}→ 2\d\d .*\n {2}\(lifecycle of \/notes, seed \d+, path [\d:]+\)\n/
  )
  t.match(said, /: 1 finding\. Seed 1\./)
  t.notMatch(said, KEYS.one, 'the credential is not shown')

  const again = await run(faulty, '--key', KEYS.one, '--replay', file, '--json')
  t.notOk(again.isSound)
  t.match(JSON.parse(again.said), { findings: [{ kind: 'not_read_back' }] })
  t.ok((await run(sound, '--key', KEYS.one, '--replay', file)).isSound)
})

t.test('says what could not be shown again, what was put off, and shortens what is long', async (t) => {
  const { describeReport } = await import('#src/cli/fuzz.ts')
  const finding = {
    kind: 'etag',
    operation: 'a',
    message: 'b',
    curl: [],
    answer: '',
    check: 'c',
    subject: 'd',
    seed: 1,
    path: '0'
  }
  const text = describeReport({
    findings: [
      { ...finding, isRepeatable: false },
      { ...finding, isRepeatable: true }
    ] as never,
    seed: 1,
    cases: 1,
    requests: 1,
    postponed: 2,
    leftOut: [],
    onlyRefused: [],
    leftBehind: Array.from({ length: 22 }, (_, at) => `/a/${at}`)
  })
  t.match(text, /it did not show again/)
  t.match(text, /2 of them put off by the server: 2 findings/)
  t.match(text, /\/a\/19 and 2 more$/)
})

t.test('refuses wrong arguments with one line', async (t) => {
  const url = await listen()
  const wrong: [string[], RegExp][] = [
    [[], /missing required argument 'document'/],
    [[url, url], /too many arguments. Expected 1 argument but got 2/],
    [[url, '--none'], /unknown option '--none'/],
    [[url, '--cases', 'many'], /--cases is a whole number of at least 1/],
    [[url, '--cases', ''], /--cases is a whole number/],
    [[url, '--cases', '0'], /--cases is a whole number/],
    [[url, '--header', 'x'], /--header is 'Name: value', not 'x'/],
    [[url, '--replay', join(folder, 'none')], /none cannot be read: ENOENT/],
    [[url, '--replay', join(folder, 'broken')], /broken has no findings/],
    [[url, '--replay', join(folder, 'text')], /text has no findings/],
    [[url, '--only', 'none'], /no operation 'none'/]
  ]
  for (const [args, message] of wrong)
    await t.rejects(run(...args), { name: 'MisuseError', message }, args.slice(1).join(' '))
  t.match(await run('--help'), { isSound: true, said: /--key <key>/ })
})

t.test('the command ends with 0, 1 for a finding, and 2 for misuse', async (t) => {
  const options = { cwd: folder }
  const args = ['--key', KEYS.one, '--cases', '10', '--check', 'lifecycle']
  writeFileSync(join(folder, 'a.json'), JSON.stringify({ openapi: '3.1.0', paths: {} }))
  t.match(await tenon(['fuzz', await listen(), ...args], options), { code: 0, said: /10 cases/ })
  t.match(await tenon(['fuzz', await listen('dropped field'), ...args, '--seed', '1', '--cases', '40'], options), {
    code: 1
  })
  t.match(await tenon(['fuzz', 'a.json'], options), { code: 2, said: /names no server/ })
  t.ok(readFileSync(join(folder, 'a.json')))
})

t.test('progress is for a terminal only', async (t) => {
  const written: string[] = []
  const stream = (isTTY: boolean) => ({ isTTY, write: (text: string) => written.push(text) }) as never
  outputTo(stream(false), stream(false)).progress('hidden')
  outputTo(stream(false), stream(true)).progress('shown')
  outputTo(stream(false), stream(true)).say('said')
  outputTo(stream(false), stream(false)).complain('wrong')
  t.same(written, ['\r\u001b[Kshown', 'said\n', 'tenon: wrong\n'])
})
