/** Rows as text in columns, under their names; a line for each row. */
export function tableOf(names: string[], rows: unknown[][]): string {
  const cells = [names, ...rows.map((row) => row.map(cellOf))]
  const widths = names.map((_, index) => Math.max(...cells.map((row) => (row[index] as string).length)))
  const lineOf = (row: string[]) => row.map((cell, index) => cell.padEnd(widths[index] as number)).join('  ')
  return cells.map((row) => lineOf(row).trimEnd()).join('\n')
}

function cellOf(value: unknown): string {
  if (value === null || value === undefined) return '-'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return Array.isArray(value) ? value.join(' ') || '-' : String(value)
}
