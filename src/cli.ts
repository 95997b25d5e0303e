import { explainFailure } from './process/explain-failure.ts'
import { MisuseError } from './tools/misuse.ts'

const RELEASED = 'openapi.json'
const [FINDING, MISUSE] = [1, 2]

const say = (line: string) => process.stdout.write(`${line}\n`)
const complain = (line: string) => process.stderr.write(`tenon: ${line}\n`)

interface Command {
  /** The arguments after the name; `options` for a command that reads them itself. */
  takes: string[] | 'options'
  /** @returns whether it found nothing wrong. */
  run(...given: string[]): Promise<boolean>
}

// A command loads only what it needs: the whole application for a document, the database alone for a migration.
const commands: Record<string, Command> = {
  migrate: {
    takes: [],
    async run() {
      const { migrate } = await import('./cli/migrate.ts')
      say(await migrate(process.env, say))
      return true
    }
  },
  'users password': {
    takes: ['email'],
    async run(email) {
      const { replacePassword } = await import('./cli/users-password.ts')
      const password = await replacePassword(process.env, email as string)
      if (password === undefined) complain('there is no user with this e-mail')
      else say(`password: ${password}  (shown once; every login of the user has ended)`)
      return password !== undefined
    }
  },
  client: {
    takes: 'options',
    async run(...args) {
      const { clientCommand } = await import('./cli/client.ts')
      const { outputTo } = await import('./cli/output.ts')
      return clientCommand(args, outputTo(process.stdout, process.stderr))
    }
  },
  fuzz: {
    takes: 'options',
    async run(...args) {
      const { fuzzCommand } = await import('./cli/fuzz.ts')
      const { outputTo } = await import('./cli/output.ts')
      return fuzzCommand(args, outputTo(process.stdout, process.stderr))
    }
  },
  load: {
    takes: 'options',
    async run(...args) {
      const { loadCommand } = await import('./cli/load.ts')
      const { outputTo } = await import('./cli/output.ts')
      // The first Ctrl-C ends the sending; what was made is deleted all the same.
      const stopping = new AbortController()
      process.once('SIGINT', () => stopping.abort())
      return loadCommand(args, outputTo(process.stdout, process.stderr), stopping.signal)
    }
  },
  'openapi:write': {
    takes: [],
    async run() {
      const { currentDocument } = await import('./cli/document.ts')
      const { writeReleased } = await import('./cli/openapi-write.ts')
      say(writeReleased(RELEASED, await currentDocument()))
      return true
    }
  },
  'openapi:diff': {
    takes: [],
    async run() {
      const { currentDocument } = await import('./cli/document.ts')
      const { diffReleased } = await import('./cli/openapi-diff.ts')
      const { isHonest, text } = diffReleased(RELEASED, await currentDocument())
      say(text)
      return isHonest
    }
  }
}

async function main(args: string[]): Promise<number> {
  const name = [args.slice(0, 2).join(' '), args[0] ?? ''].find((one) => Object.hasOwn(commands, one))
  const command = name === undefined ? undefined : commands[name]
  if (!command) {
    complain(`there is no command '${args.join(' ')}'; there is ${Object.keys(commands).join(', ')}`)
    return MISUSE
  }
  const given = args.slice((name as string).split(' ').length)
  if (command.takes !== 'options' && given.length !== command.takes.length) {
    complain(`usage: ${[name, ...command.takes.map((one) => `<${one}>`)].join(' ')}`)
    return MISUSE
  }
  try {
    return (await command.run(...given)) ? 0 : FINDING
  } catch (error) {
    if (error instanceof MisuseError) {
      complain(error.message)
      return MISUSE
    }
    complain(explainFailure(error as Error))
    return FINDING
  }
}

process.exitCode = await main(process.argv.slice(2))
