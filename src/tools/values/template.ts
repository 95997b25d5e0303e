import type { Json } from '../openapi/schema.ts'

/** A text with places: a number that is new each time, the id of the row at hand, the id of another row. */
export type Template = (string | Place)[]

/** A place of a template. `reference` is the collection of the row. */
export type Place = { is: 'unique' } | { is: 'id' } | { is: 'reference'; to: string }

/** What a template is filled with. */
export interface Filling {
  unique: string
  id: Json
  reference(collection: string): Json
}

/** Stands in a value for a number that is new each time; it is as long as that number. */
export const UNIQUE = '\u0001unique--\u0001'

/** Stands in a value for the id of a row of another resource. */
export const referenceTo = (collection: string) => `\u0001ref ${collection}\u0001`

/** Makes a template of JSON: the marks in it become places. */
export function jsonTemplate(value: Json): Template {
  const marks = /"\\u0001ref ([^"\\]*)\\u0001"|\\u0001unique--\\u0001/g
  return pieces(JSON.stringify(value), marks, (match) =>
    match[1] === undefined ? { is: 'unique' } : { is: 'reference', to: match[1] }
  )
}

/** Makes a template of a path; a parameter that is neither the row's id nor another row's has its own text. */
export function pathTemplate(path: string, values: Record<string, Json | Place>): Template {
  return pieces(path, /\{([^{}]+)\}/g, (match) => {
    const value = values[match[1] as string] ?? ''
    return typeof value === 'object' && value !== null && 'is' in value
      ? (value as Place)
      : encodeURIComponent(String(value))
  })
}

function pieces(text: string, marks: RegExp, make: (match: RegExpExecArray) => string | Place): Template {
  const template: Template = []
  let from = 0
  for (const match of text.matchAll(marks)) {
    template.push(text.slice(from, match.index), make(match))
    from = match.index + match[0].length
  }
  template.push(text.slice(from))
  return template.filter((piece) => piece !== '')
}

/** Fills a template of JSON or of a path. */
export function fill(template: Template, filling: Filling, isPath: boolean): string {
  let text = ''
  for (const piece of template) {
    if (typeof piece === 'string') text += piece
    else if (piece.is === 'unique') text += filling.unique
    else {
      const id = piece.is === 'id' ? filling.id : filling.reference(piece.to)
      text += isPath ? encodeURIComponent(String(id)) : JSON.stringify(id)
    }
  }
  return text
}
