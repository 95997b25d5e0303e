import type { DatabaseStatus } from '../db/status.ts'
import { command, finding, type MakeCommand } from './frame.ts'

/** `tenon db status` */
export const dbStatusCommand: MakeCommand = (context) =>
  command('status', 'Tell which migrations are pending; exit code 1 when the database is not up to date', [
    'tenon db status',
    'tenon db status --json'
  ])
    .option('--json', 'print it as JSON')
    .action(
      finding(context, async ({ json }: { json?: boolean }) => {
        const [{ readStatus }, { withDatabase }] = await Promise.all([import('../db/status.ts'), import('./open.ts')])
        const status = await withDatabase(context.env, async ({ db, kind }) => ({ kind, ...(await readStatus(db)) }))
        context.output.say(json ? JSON.stringify(status) : describe(status))
        return status.pending.length === 0 && status.missing.length === 0
      })
    )

function describe({ kind, version, bytes, applied, pending, missing }: DatabaseStatus & { kind: string }): string {
  const lines = [
    `PostgreSQL ${version} (${kind}), ${(bytes / 1_000_000).toFixed(1)} MB`,
    `${applied.length} migrations applied${applied.length > 0 ? `, the last ${applied.at(-1)}` : ''}`,
    ...pending.map((name) => `pending: ${name}`)
  ]
  if (pending.length > 0) return [...lines, 'tenon migrate applies what is pending.'].join('\n')
  return [...lines, ...missing.map((what) => `missing: ${what}`), missing.length === 0 ? 'Up to date.' : '']
    .join('\n')
    .trim()
}
