import type { Readable } from 'node:stream'
import { type ApiError, type Fault, validationFailed } from '../../errors.ts'
import type { Pause } from '../../schema/json/slices.ts'
import { type Cell, type CsvColumn, fromCsv } from './csv.ts'
import { readRecords } from './csv-records.ts'
import type { Line, Lines } from './lines.ts'

/** What the records are read as. */
interface Target {
  columns: CsvColumn[]
  /** The names of columns that are passed over. */
  ignored: string[]
  /** The most values in the JSON of one cell. */
  maxValues: number
}

/**
 * Reads one body from each record. The first names the columns.
 * @throws ApiError VALIDATION_FAILED for a header that is not CSV, or has an unknown column, or one twice.
 */
export async function* readCsv(stream: Readable, target: Target, pause: Pause): Lines {
  let header: Header | undefined
  for await (const records of readRecords(stream, pause)) {
    const lines: Line[] = []
    for (const record of records) {
      if (header) lines.push('cells' in record ? lineOf(record, header, target.maxValues) : record)
      else if ('cells' in record) header = readHeader(record.cells, target)
      else throw record.error
    }
    yield lines
  }
  if (!header) throw headerFault('', 'required', 'must have a header row')
}

const lineOf = (
  { line, bytes, cells }: { line: number; bytes: number; cells: Cell[] },
  header: Header,
  maxValues: number
): Line => ({ line, bytes, ...bodyOf(cells, header, maxValues) })

type Header = (CsvColumn | undefined)[]

function readHeader(cells: Cell[], { columns, ignored }: Target): Header {
  const known = new Map(columns.map((column) => [column.name, column]))
  const seen = new Set<string>()
  return cells.map(({ text }) => {
    const column = known.get(text)
    if (!column && !ignored.includes(text)) throw headerFault(text, 'unknown', 'is not a column that can be sent here')
    if (seen.size === seen.add(text).size) throw headerFault(text, 'repeated', 'is there twice')
    return column
  })
}

function headerFault(name: string, code: string, message: string): ApiError {
  const fault: Fault = {
    in: 'body',
    path: name && `/${name}`,
    code,
    message: name ? `column '${name}' ${message}` : message
  }
  return validationFailed([fault])
}

function bodyOf(cells: Cell[], header: Header, maxValues: number): { body: unknown } | { error: ApiError } {
  if (cells.length !== header.length) {
    const message = `must have ${header.length} cells and has ${cells.length}`
    return { error: validationFailed([{ in: 'body', path: '', code: 'cells', message }]) }
  }
  try {
    const used = header.flatMap((column, index) => (column ? [{ column, cell: cells[index] as Cell }] : []))
    return {
      body: fromCsv(
        used.map(({ column }) => column),
        used.map(({ cell }) => cell),
        maxValues
      )
    }
  } catch (error) {
    return { error: error as ApiError }
  }
}
