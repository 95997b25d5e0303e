import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { DirectoryInUseError, lockDirectory } from '#src/db/embedded/lock.ts'

function directory(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'tenon-lock-'))
  t.teardown(() => rmSync(made, { recursive: true }))
  return join(made, 'data')
}

t.test('a directory has one holder, and a second process is told which', async (t) => {
  const data = directory(t)
  const unlock = lockDirectory(data)
  const { pid, startedAt } = JSON.parse(readFileSync(join(data, 'lock.json'), 'utf8'))
  t.equal(pid, process.pid)
  t.throws(
    () => lockDirectory(data),
    new DirectoryInUseError(`${data} is in use by process ${process.pid}, started ${startedAt}`)
  )
  unlock()
  lockDirectory(data)()
})

t.test('a holder that left no name is another process', async (t) => {
  const data = directory(t)
  const unlock = lockDirectory(data)
  for (const text of ['', '{', 'null']) {
    writeFileSync(join(data, 'lock.json'), text)
    t.throws(() => lockDirectory(data), new DirectoryInUseError(`${data} is in use by another process`))
  }
  unlock()
})

t.test('a broken lock file does not count as a holder', async (t) => {
  const data = directory(t)
  mkdirSync(data)
  writeFileSync(join(data, 'lock'), 'this is no lock file, and long enough to be told from an empty one')
  t.throws(() => lockDirectory(data), { message: 'file is not a database' })
})
