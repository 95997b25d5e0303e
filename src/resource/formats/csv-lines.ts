import { pipeline, Readable } from 'node:stream'
import { type CsvError, parse } from 'csv-parse'
import { ApiError, type Fault, validationFailed } from '../../errors.ts'
import { type Cell, type CsvColumn, fromCsv } from './csv.ts'
import { type Line, type Lines, MAX_LINE_BYTES } from './lines.ts'

// Lines that are handed on together.
const TOGETHER = 200

interface Parsed {
  record: Cell[]
  info: { lines: number; bytes: number; error?: CsvError }
}

/**
 * Reads one body from each record. The first names the columns; those that are `ignored` are passed over.
 * @throws ApiError VALIDATION_FAILED for a header with columns that nobody knows, or one twice; BAD_REQUEST for what is
 * not UTF-8 or not CSV.
 */
export async function* readCsv(stream: Readable, columns: CsvColumn[], ignored: string[]): Lines {
  const parser = parse({
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_LINE_BYTES,
    cast: (text, { quoting }) => ({ text, isQuoted: quoting }) satisfies Cell
  })
  // What fails on either side comes out of the loop below.
  pipeline(Readable.from(decode(stream)), parser, () => {})
  let header: (CsvColumn | undefined)[] | undefined
  let lines: Line[] = []
  let bytes = 0
  try {
    for await (const { record, info } of parser as AsyncIterable<Parsed>) {
      if (header) lines.push({ line: info.lines, bytes: info.bytes - bytes, ...bodyOf(record, header) })
      else header = readHeader(record, columns, ignored)
      bytes = info.bytes
      if (lines.length === TOGETHER) yield lines.splice(0)
    }
  } catch (error) {
    throw String((error as CsvError).code).startsWith('CSV_') ? notCsv(error as CsvError) : error
  }
  if (!header) throw headerFault('', 'required', 'must have a header row')
  yield lines
  lines = []
}

const notCsv = (cause: CsvError) => new ApiError('BAD_REQUEST', `The body is not CSV: ${cause.message}.`, { cause })

function readHeader(cells: Cell[], columns: CsvColumn[], ignored: string[]): (CsvColumn | undefined)[] {
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

function bodyOf(cells: Cell[], header: (CsvColumn | undefined)[]): { body: unknown } | { error: ApiError } {
  if (cells.length !== header.length) {
    const message = `must have ${header.length} cells and has ${cells.length}`
    return { error: validationFailed([{ in: 'body', path: '', code: 'cells', message }]) }
  }
  try {
    const used = header.flatMap((column, index) => (column ? [{ column, cell: cells[index] as Cell }] : []))
    return {
      body: fromCsv(
        used.map(({ column }) => column),
        used.map(({ cell }) => cell)
      )
    }
  } catch (error) {
    return { error: error as ApiError }
  }
}

// Strictly: a byte that is not UTF-8 would become U+FFFD without a word.
async function* decode(stream: Readable): AsyncIterable<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const text = (chunk?: Buffer) => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined })
    } catch (cause) {
      throw new ApiError('BAD_REQUEST', 'The body is not valid UTF-8.', { cause })
    }
  }
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) yield text(chunk)
  yield text()
}
