/**
 * Reads the text of a PostgreSQL array: `{1,NULL,"a b"}`, and `{{1,2},{3,4}}` of several dimensions.
 * @param read makes of the text of an element what it is.
 */
export function parseArray(text: string, read: (element: string) => unknown): unknown[] {
  // Bounds that do not begin with 1 come first: `[0:1]={1,2}`.
  let at = text.indexOf('{') + 1

  function list(): unknown[] {
    const elements: unknown[] = []
    while (text[at] !== '}') {
      elements.push(element())
      if (text[at] === ',') at += 1
    }
    at += 1
    return elements
  }

  function element(): unknown {
    if (text[at] === '{') {
      at += 1
      return list()
    }
    ELEMENT.lastIndex = at
    const [whole, quoted] = ELEMENT.exec(text) as RegExpExecArray
    at += whole.length
    if (quoted !== undefined) return read(quoted.replace(/\\(.)/gs, '$1'))
    return whole === 'NULL' ? null : read(whole)
  }

  return list()
}

const ELEMENT = /"((?:[^"\\]|\\.)*)"|[^,{}]+/sy
