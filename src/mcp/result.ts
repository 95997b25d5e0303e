/** The answer of a route to the call of a tool. */
export interface ToolAnswer {
  status: number
  headers: Record<string, string | string[] | number | undefined>
  text: string
}

// What a caller may need for its next call.
const TOLD = /^(deprecation|etag|idempotency-replayed|location|preference-applied|retry-after)$/

/**
 * The answer as the result of a tool: its JSON as text and, where it is an object, as structured content. A refusal is a
 * result, too, with its problem body and `isError`, so that a model can read the reason.
 */
export function resultOf({ status, headers, text }: ToolAnswer) {
  const body: unknown = text === '' ? undefined : JSON.parse(text)
  const names = Object.keys(headers).filter((name) => TOLD.test(name))
  const told = names.sort().map((name) => `${name}: ${headers[name]}`)
  const notes = text === '' ? [`${status}, without a body`, ...told] : told
  return {
    content: [...(text === '' ? [] : [text]), ...(notes.length > 0 ? [notes.join('\n')] : [])].map((one) => ({
      type: 'text' as const,
      text: one
    })),
    ...(isObject(body) && { structuredContent: body }),
    ...(status >= 400 && { isError: true })
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
