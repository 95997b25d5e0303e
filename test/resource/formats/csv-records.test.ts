import { Readable } from 'node:stream'
import t from 'tap'
import { readRecords } from '#src/resource/formats/csv-records.ts'

/** The records of a CSV that comes in chunks: its line, and its cells or `refused`. */
async function read(...chunks: (string | Buffer)[]): Promise<string[]> {
  const found: string[] = []
  const stream = Readable.from(chunks.map((chunk) => Buffer.from(chunk)))
  for await (const records of readRecords(stream, async () => {}))
    for (const record of records)
      found.push(`${record.line} ${'cells' in record ? record.cells.map(({ text }) => text).join('|') : 'refused'}`)
  return found
}

t.test('a single line needs no end of line', async (t) => {
  t.same(await read('a,b'), ['1 a|b'])
})

t.test('quoted cells keep commas and ends of lines, wherever a chunk ends', async (t) => {
  const text = 'a,b\n"1,2","x\ny"\n3,4\n'
  const whole = await read(text)
  t.same(whole, ['1 a|b', '3 1,2|x\ny', '4 3|4'])
  for (let at = 1; at < text.length; at += 1)
    t.same(await read(text.slice(0, at), text.slice(at)), whole, `cut at ${at}`)
})

t.test('a bad line is refused by itself, wherever a chunk ends', async (t) => {
  const text = 'a,b\n24" monitor,1\n"open\ncell",2\nlast,3\n'
  const whole = await read(text)
  t.same(whole, ['1 a|b', '2 refused', '4 open\ncell|2', '5 last|3'])
  for (let at = 1; at < text.length; at += 1)
    t.same(await read(text.slice(0, at), text.slice(at)), whole, `cut at ${at}`)
})

/** One line of a quoted cell of about `bytes`, in pieces as they come from a socket. */
function cellOf(text: string, bytes: number): string[] {
  const cell = `"${text.repeat(bytes / text.length)}",1\n`
  return ['a,b\n', ...(cell.match(/.{1,8192}/gs) as string[])]
}

t.test('a BOM before the first line is no part of it, wherever a chunk ends', async (t) => {
  const bytes = Buffer.from('\ufeffa,b\n1,2\n')
  for (let at = 1; at < bytes.length; at += 1) {
    const found: unknown[] = []
    for await (const records of readRecords(Readable.from([bytes.subarray(0, at), bytes.subarray(at)]), async () => {}))
      found.push(...records.map((record) => 'cells' in record && record.cells.map(({ text }) => text).join('|')))
    t.same(found, ['a|b', '1|2'], `cut at ${at}`)
  }
})

for (const [what, text] of [
  ['quotes', '""'],
  ['ends of lines', 'x\n'],
  ['quotes and ends of lines', '""\n']
] as const)
  t.test(`a cell full of ${what} takes time in proportion to its size`, async (t) => {
    // The CPU's time, the least of three: others use the machine, too.
    const time = async (bytes: number) => {
      const chunks = cellOf(text, bytes)
      let leastMs = Number.POSITIVE_INFINITY
      for (let turn = 0; turn < 3; turn += 1) {
        const before = process.cpuUsage()
        const found = await read(...chunks)
        const { user, system } = process.cpuUsage(before)
        leastMs = Math.min(leastMs, (user + system) / 1000)
        t.equal(found.length, 2)
        t.notMatch(found[1], 'refused')
      }
      return leastMs
    }
    const [small, large] = [await time(60_000), await time(960_000)]
    // Sixteen times as much; by the square it would be 256 times.
    t.ok(large < 64 * small + 100, `${small} and ${large} ms`)
  })

t.test('each fault costs its own line, and what comes after it is read', async (t) => {
  const open = `a\n"${'x'.repeat(1_048_600)}`
  t.same(await read(open), ['1 a', '2 refused'], 'a quote that is never closed, at the end')
  t.same(await read(open, 'y', 'y\nb\n'), ['1 a', '2 refused', '3 b'], 'and before other lines')
  t.same(await read(open.slice(2), 'y', 'y\nb\n'), ['1 refused', '2 b'], 'before any end of a line')
  t.same(await read(`a\n${','.repeat(3_000)}\nb\n`), ['1 a', '2 refused', '3 b'], 'too many cells')
  t.same(await read('a\n', Buffer.from([0xff, 0x0a]), 'b\n'), ['1 a', '2 refused', '3 b'], 'no UTF-8')
  const many = await read(`a\n${'2" \n'.repeat(450)}`)
  t.equal(many.length, 451)
  t.equal(many.at(-1), '451 refused')
})

t.test('a file of carriage returns alone has lines, too', async (t) => {
  t.same(await read('a,b\r1,', '2\r3,4'), ['1 a|b', '2 1|2', '3 3|4'])
  t.same(await read('a\r', 'b'), ['1 a', '2 b'])
})

t.test('an empty file, and one of a BOM alone, have no records', async (t) => {
  t.same(await read(), [])
  t.same(await read('\ufeff'), [])
})
