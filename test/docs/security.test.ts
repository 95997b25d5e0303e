import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(`${root}docs/security.md`, 'utf8')

/** The rows of each table of the page, without its head. */
const tables = [...page.matchAll(/(?:^\|.*\|\n)+/gm)].map(([table]) => {
  const [head, , ...rows] = table
    .trim()
    .split('\n')
    .map((line) => line.split('|').slice(1, -1))
  return {
    columns: (head as string[]).map((cell) => cell.trim()),
    rows: rows.map((row) => row.map((one) => one.trim()))
  }
})
const shown = tables.filter(({ columns }) => columns.at(-1) === 'test')

t.test('every test that the page names exists', async (t) => {
  const named = [...page.matchAll(/`(test\/[^`]+)`/g)].map(([, path]) => path as string)
  t.ok(named.length > 100)
  // A star stands for the files of a folder.
  const missing = named.filter((path) => !existsSync(root + path.replace(/\/\*\.test\.ts$/, '')))
  t.same(missing, [])
})

t.test('every row of a promise names its test', async (t) => {
  t.ok(shown.length >= 3)
  for (const { columns, rows } of shown) {
    for (const [index, row] of rows.entries()) {
      t.equal(row.length, columns.length, row.join())
      const isAbove = row.at(-1) === 'the same' && index > 0
      t.ok(isAbove || /`test\/\S+\.test\.ts`/.test(row.at(-1) as string), row.join())
    }
  }
})

t.test('every risk of the OWASP API Security Top 10 has its row', async (t) => {
  const risks = shown
    .find(({ columns }) => columns[0] === 'risk')
    ?.rows.map(([risk]) => Number(/^API(\d+) /.exec(risk as string)?.[1]))
  t.same(risks, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})

// How many requirements of levels 1 and 2 each section of ASVS 5.0.0 has. Those of level 3 come last in each of these.
const SECTIONS =
  '1.1:2 1.2:9 1.3:11 1.4:3 1.5:2 2.1:3 2.2:3 2.3:4 2.4:1 3.2:2 3.3:4 3.4:6 3.5:5 3.7:2 4.1:3 4.2:1 4.3:2 4.4:4 5.1:1 5.2:3 ' +
  '5.3:2 5.4:3 6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4 7.1:3 7.2:4 7.3:2 7.4:5 7.5:2 7.6:2 8.1:2 8.2:3 8.3:1 8.4:1 9.1:3 ' +
  '9.2:4 10.1:2 10.2:2 10.3:4 10.4:11 10.5:5 10.6:2 10.7:3 11.1:2 11.2:3 11.3:3 11.4:4 11.5:1 11.6:1 12.1:3 12.2:2 12.3:4 ' +
  '13.1:1 13.2:5 13.3:2 13.4:5 14.1:2 14.2:4 14.3:3 15.1:3 15.2:3 15.3:7 16.1:1 16.2:5 16.3:4 16.4:3 16.5:3 17.1:1 17.2:4 17.3:2'

t.test('every requirement of ASVS 5, levels 1 and 2, has one place', async (t) => {
  const required = SECTIONS.split(' ').flatMap((section) => {
    const [name, count] = section.split(':')
    return Array.from({ length: Number(count) }, (_, index) => `${name}.${index + 1}`)
  })
  t.equal(required.length, 253)
  const inTables = tables
    .filter(({ columns }) => columns[0] === 'requirement')
    .flatMap(({ rows }) => rows.map(([ids]) => ids))
  const others = /^Do not apply: [\s\S]*?\n\n/m.exec(page)?.[0]
  const named = [...`${inTables.join()} ${others}`.matchAll(/\b\d+\.\d+\.\d+\b/g)].map(([id]) => id)
  t.same(named.toSorted(), required.toSorted())
})

t.test('every package comes pinned, with its checksum', async (t) => {
  const { packages } = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8'))
  const installed = Object.entries(packages as Record<string, { integrity?: string }>)
  t.ok(installed.length > 100)
  for (const [path, { integrity }] of installed.filter(([path]) => path !== '')) {
    t.match(integrity, /^sha512-/, path)
  }
  const { dependencies, devDependencies } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
    t.match(version, /^\d+\.\d+\.\d+$/, name)
})
