import { command, finding, type MakeCommand } from './frame.ts'
import { wholeNumber } from './values.ts'

/** `tenon doctor` */
export const doctorCommand: MakeCommand = (context) =>
  command(
    'doctor',
    'Look for what is wrong with this installation, or soon will be; exit code 1 when there is anything',
    ['tenon doctor', 'tenon doctor --instances 3', 'tenon doctor --json']
  )
    .option('--instances <number>', 'how many instances run on the database (1)')
    .option('--json', 'print what was found as JSON')
    .action(
      finding(context, async ({ instances, json }: { instances?: string; json?: boolean }) => {
        const { examine } = await import('./doctor/run.ts')
        const found = await examine(context.env, wholeNumber('instances', instances, 1))
        const lines = found.map(({ check, problem, advice }) => `${check}: ${problem}: ${advice}`)
        context.output.say(json ? JSON.stringify(found) : lines.join('\n') || 'Nothing was found.')
        return found.length === 0
      })
    )
