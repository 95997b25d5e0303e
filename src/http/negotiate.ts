import { ApiError } from '../errors.ts'

/**
 * Which of some media types a caller accepts most (RFC 9110, section 12.5.1). The first of ours when none is preferred.
 * @throws ApiError NOT_ACCEPTABLE naming ours when there is none.
 */
export function negotiate<T extends string>(accept: string | undefined, types: readonly T[]): T {
  const ranges = (accept ?? '*/*').split(',').map(parseRange)
  const qualities = types.map((type) => ({ type, quality: qualityOf(type, ranges) }))
  const best = qualities.reduce((first, one) => (one.quality > first.quality ? one : first))
  if (best.quality > 0) return best.type
  throw new ApiError('NOT_ACCEPTABLE', `This answers with ${types.join(' or ')}.`)
}

interface Range {
  type: string
  quality: number
}

function parseRange(text: string): Range {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const quality = parameters.find((parameter) => parameter.startsWith('q='))
  return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) }
}

// The most specific range that fits decides, also when it says no: `*/*, text/csv;q=0`.
function qualityOf(type: string, ranges: Range[]): number {
  const fitting = [type, `${type.split('/')[0]}/*`, '*/*'].map((one) => ranges.find((range) => range.type === one))
  return fitting.find((range) => range !== undefined)?.quality ?? 0
}
