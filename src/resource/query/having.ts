import { type TSchema, Type } from '@sinclair/typebox'
import { type SQL, sql } from 'drizzle-orm'
import { validationFailed } from '../../errors.ts'
import { documentedAs } from '../../schema/fields.ts'
import { JOINED } from './filter.ts'
import { parseGroup, type Written, type WrittenGroup } from './groups.ts'

/** The query parameter `having`. */
export const havingParameter: TSchema = Type.Optional(
  documentedAs(
    Type.String({
      maxLength: 1000,
      description:
        'Only groups that meet all of the conditions on `count`, `sum.<field>` or `avg.<field>`, with `ne gt gte lt lte`; groups inside as in `and`.'
    }),
    Type.String({ examples: ['(count[gte]=5)'] })
  )
)

const COMPARED: Record<string, SQL> = { eq: sql`=`, ne: sql`<>`, gt: sql`>`, gte: sql`>=`, lt: sql`<`, lte: sql`<=` }

/**
 * The groups that a text asks for, as SQL.
 * @param figures what can be compared, by its name: `sum.stock`.
 * @throws ApiError VALIDATION_FAILED for a text that cannot be read, or names something else.
 */
export function havingSql(text: string | undefined, figures: Map<string, SQL>): SQL | undefined {
  return text === undefined ? undefined : toSql(parseGroup('having', text))

  function toSql(one: Written | WrittenGroup): SQL {
    if ('members' in one) return JOINED[one.join](one.members.map(toSql))
    const { parameter, value } = one
    const [name = '', operator = 'eq'] = parameter.split(/[[\]]/)
    const [figure, compared] = [figures.get(name), COMPARED[operator]]
    if (!figure || !compared) throw refused(parameter, 'unknown', 'is not a figure that groups can be chosen by')
    if (!/^-?\d{1,40}(\.\d{1,40})?$/.test(String(value))) throw refused(parameter, 'type', 'must be number')
    return sql`${figure} ${compared} ${value}::numeric`
  }
}

const refused = (parameter: string, code: string, message: string) =>
  validationFailed([{ in: 'query', path: `/having/${parameter}`, code, message }])
