import { parse } from 'fast-querystring'

/** The key of a query's values with the encoded commas marked, if there are any. */
const MARKED = Symbol('marked query')

// A lone surrogate: no decoded text has one.
const MARK = '\ud800'

/**
 * Parses the query of a URL. It also remembers which commas of the decoded values were encoded: those belong to a
 * value, and do not separate two (RFC 6570).
 */
export function parseQuery(text: string): Record<string, unknown> {
  const query = read(text)
  // Few queries have one, so most are parsed once.
  if (/%2c/i.test(text)) query[MARKED] = read(text.replaceAll(/%2c/gi, MARK))
  return query
}

// The form in which axios and Stripe's clients repeat a parameter: `a[]=1&a[]=2`.
const BRACKETS = /\[\]|%5b%5d/i

function read(text: string): Record<string | symbol, unknown> {
  const query = parse(text) as Record<string, unknown>
  if (!BRACKETS.test(text)) return query
  for (const name of Object.keys(query)) {
    if (!name.endsWith('[]')) continue
    const plain = name.slice(0, -2)
    query[plain] = [query[plain] ?? [], query[name]].flat()
    delete query[name]
  }
  return query
}

/**
 * The values of a list in a query: separated by commas, or by repeating the parameter. An encoded comma (`%2C`) and a
 * text in double quotes (with `\` before a quote) belong to a value; a repeated value is taken as it is.
 * @returns undefined for quotes that do not end, or do not end with the value.
 */
export function splitList(query: object, name: string): string[] | undefined {
  const { [MARKED]: marked = query } = query as { [MARKED]?: object }
  const value = (marked as Record<string, unknown>)[name]
  const values = Array.isArray(value) ? value.map(String) : splitText(String(value))
  return marked === query ? values : values?.map((one) => one.replaceAll(MARK, ','))
}

const VALUE = /(?:"((?:[^"\\]|\\.)*)"|([^",][^,]*)?)(,|$)/sy

function splitText(text: string): string[] | undefined {
  if (text === '') return []
  if (!text.includes('"')) return text.split(',')
  const values: string[] = []
  VALUE.lastIndex = 0
  for (let end: string | undefined = ','; end === ','; ) {
    const found = VALUE.exec(text)
    if (!found) return undefined
    const [, quoted, plain = ''] = found
    values.push(quoted === undefined ? plain : quoted.replace(/\\(.)/gs, '$1'))
    end = found[3]
  }
  return values
}
