import t from 'tap'
import { ApiError, catalogue, type ErrorCode } from '#src/errors.ts'
import { toProblem } from '#src/http/problem.ts'
import { errorsPage } from '#src/openapi/errors-page.ts'

t.test('every code has the anchor that the type of its answers points to', async (t) => {
  const page = errorsPage()
  for (const code of Object.keys(catalogue)) {
    const { type } = toProblem(new ApiError(code as ErrorCode), 'req-1')
    t.ok(page.includes(`<tr id="${type.split('#')[1]}"><td><code>${code}</code>`), code)
  }
})
