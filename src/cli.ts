import { runCommand } from './cli/frame.ts'
import { outputTo } from './cli/output.ts'
import { program } from './cli/program.ts'
import { explainFailure } from './process/explain-failure.ts'
import { MisuseError } from './tools/misuse.ts'

const [FINDING, MISUSE] = [1, 2]

// For a command that deletes what it made: the first Ctrl-C ends what it is doing, the second one itself.
function signalOfUser(): AbortSignal {
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  return stopping.signal
}

async function main(args: string[]): Promise<number> {
  const output = outputTo(process.stdout, process.stderr)
  try {
    const context = { env: process.env, output, signalOfUser }
    return (await runCommand(program, args, context)) ? 0 : FINDING
  } catch (error) {
    if (!(error instanceof MisuseError)) {
      output.complain(explainFailure(error as Error))
      return FINDING
    }
    output.complain(error.message)
    return MISUSE
  }
}

process.exitCode = await main(process.argv.slice(2))
