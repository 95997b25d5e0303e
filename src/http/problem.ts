import { Type } from '@sinclair/typebox'
import { type ApiError, catalogue } from '../errors.ts'

/** The media type of every error answer (RFC 9457). */
export const PROBLEM_TYPE = 'application/problem+json'

/** One fault of a request, as answers carry it. */
export const FaultSchema = Type.Object(
  {
    in: Type.Union(['body', 'query', 'path', 'headers'].map((part) => Type.Literal(part))),
    path: Type.String({ description: 'JSON pointer to the value that was refused.', examples: ['/priceCents'] }),
    code: Type.String({ examples: ['minimum'] }),
    message: Type.String({ examples: ['must be >= 0'] })
  },
  { additionalProperties: false }
)

/** The one body of every error answer. */
export const Problem = Type.Object(
  {
    type: Type.String({ examples: ['/docs/errors#validation_failed'] }),
    title: Type.String({ examples: ['Validation failed'] }),
    status: Type.Integer({ examples: [422] }),
    detail: Type.String({ examples: ['1 field was refused.'] }),
    instance: Type.String({ description: 'The request id.', examples: ['req-9f3k2a-1'] }),
    success: Type.Literal(false),
    error: Type.Object({
      code: Type.Union(Object.keys(catalogue).map((code) => Type.Literal(code))),
      message: Type.String(),
      details: Type.Object({}, { description: 'AuthRecords that belong to the code.', additionalProperties: true })
    }),
    details: Type.Array(FaultSchema)
  },
  { $id: 'Problem', title: 'Problem' }
)

/** The error body of the contract, from an error and the id of its request. */
export function toProblem(error: ApiError, requestId: string) {
  return {
    type: `/docs/errors#${error.code.toLowerCase()}`,
    title: catalogue[error.code][1],
    status: error.statusCode,
    detail: error.message,
    instance: requestId,
    success: false,
    error: { code: error.code, message: error.message, details: error.facts },
    details: error.faults
  }
}
