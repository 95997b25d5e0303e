import { Readable } from 'node:stream'
import t from 'tap'
import { readRecords } from '#src/resource/formats/csv-records.ts'

/** The records of a CSV that comes in chunks: its line, and its cells or `refused`. */
async function read(...chunks: string[]): Promise<string[]> {
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
