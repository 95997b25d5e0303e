import { TYPES } from '#src/resource/types/types.ts'

/** The documentation page of the column types, from the engine's own table. */
export function typesPage(): string {
  const yes = (is: boolean) => (is ? 'yes' : '')
  const rows = TYPES.map((type) => [
    (type.sqlTypes.length > 0 ? type.sqlTypes : ['an enum']).map((name) => `\`${name}\``).join(', '),
    type.wire.join(', '),
    type.operators.map((one) => `\`${one}\``).join(' '),
    yes(type.isOrdered),
    yes(type.hasExtremes),
    yes(type.isSummable),
    type.note
  ])
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return `# Types of columns

What a field can do follows from the type of its column. Each works on PostgreSQL and on the embedded database, in lists, cursors,
\`fields\`, includes, aggregates, bulk, import and export; what is not in the table stops the start with the name of the field.

${line(['column', 'schema of the field', 'filters', '`sort`, `groupBy`', '`min`, `max`', '`sum`, `avg`', ''])}
${line(['---', '---', '---', '---', '---', '---', '---'])}
${rows.map(line).join('\n')}

- A field that may be null has the filter \`isNull\` besides.
- An array of any of these is a list: it has the filter \`has\` where its elements can be compared, and no order.
- A schema of literals (\`Type.Union([Type.Literal('a'), …])\`) is filtered by \`eq ne in nin\`.
- A column that the database generates is declared as \`ReadOnly(…)\`.
- Any other type is read and written as its text, with no filter and no order.

Printed by \`npm run docs:types\`.
`
}

if (import.meta.main) process.stdout.write(typesPage())
