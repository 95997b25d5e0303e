import { Command, CommanderError } from 'commander'
import { MisuseError } from '../tools/misuse.ts'
import type { Output } from './output.ts'

/** What a command runs in. */
export interface Context {
  env: NodeJS.ProcessEnv
  output: Output
  /** A signal that is aborted when the user wants the command to end; the user cannot end it otherwise then. */
  signalOfUser?: () => AbortSignal
  /** Whether a command found something wrong. */
  hasFinding?: boolean
}

/** Makes a command. It loads what it needs when it runs: the help of all of them must come at once. */
export type MakeCommand = (context: Context) => Command

/**
 * A command by its name and arguments, as commander has them: `read <file>`.
 * @param examples lines of the help.
 */
export function command(usage: string, description: string, examples: string[] = []): Command {
  const made = new Command(usage.split(' ')[0]).description(description)
  for (const one of usage.split(' ').slice(1)) made.argument(one)
  if (examples.length > 0) made.addHelpText('after', `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`)
  return made
}

/** Notes whether a command found nothing wrong. */
export const finding =
  <A extends unknown[]>(context: Context, run: (...args: A) => Promise<boolean>) =>
  async (...args: A): Promise<void> => {
    if (!(await run(...args))) context.hasFinding = true
  }

/**
 * Runs a command with arguments.
 * @returns whether it found nothing wrong.
 * @throws MisuseError when the arguments are wrong, and what the command throws.
 */
export async function runCommand(make: MakeCommand, args: string[], context: Context): Promise<boolean> {
  const made = make(context)
  const { say } = context.output
  const complaints: string[] = []
  const output = {
    writeOut: (text: string) => say(text.trimEnd()),
    writeErr: (text: string) => void complaints.push(text.trimEnd())
  }
  for (const one of withSubcommands(made)) one.exitOverride().configureOutput(output)
  try {
    await made.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return true
    const said = complaints.join('\n')
    // Commander's complaint about a missing command is its help.
    throw new MisuseError(said.startsWith('Usage:') ? `name a command\n\n${said}` : said.replace(/^error: /, ''))
  }
  return !context.hasFinding
}

const withSubcommands = (command: Command): Command[] => [command, ...command.commands.flatMap(withSubcommands)]
