import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))

// Line comments, block comments, and the names of tests.
const PROSE = /(?:^|\s)\/\/ .*$|(?:^|\s)\/\*[\s\S]*?\*\/|\btest\(\s*(['"`])(?:\\.|(?!\1)[^\\])*\1/gm
// These words stand for people, and hide which part of the code is meant.
const RIDDLES = /\b(?:who|whose|whoever|whom|nobody|somebody|everybody|anybody)\b/gi

/** The place of each such word in a text, as `file:line word`. */
function riddlesIn(file: string, text: string): string[] {
  return [...text.matchAll(PROSE)].flatMap((prose) =>
    [...prose[0].matchAll(RIDDLES)].map(({ 0: word, index }) => {
      const line = text.slice(0, prose.index + index).split('\n').length
      return `${file}:${line} ${word}`
    })
  )
}

t.test('comments and test names use nouns of the field', async (t) => {
  const files = ['src', 'plugins', 'routes', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.includes('node_modules'))
      .map((file) => join(folder, file))
  )
  t.ok(files.length > 400)
  const found = files.flatMap((file) => riddlesIn(file, readFileSync(join(root, file), 'utf8')))
  t.same(found, [])
})

t.test('finds the words in every kind of comment and name, and not in code', async (t) => {
  const [word, slashes] = ['who', '//']
  const code = [
    `const ${word} = 'http:${slashes}${word}' ${slashes} ${word}`,
    '/**',
    ` * Says ${word.toUpperCase()}.`,
    ' */',
    `t.test("${word}", async () => {})`,
    `  test(\n  '${word} asks',`
  ].join('\n')
  t.same(riddlesIn('a.ts', code), ['a.ts:1 who', 'a.ts:3 WHO', 'a.ts:5 who', 'a.ts:7 who'])
})
