import { currentDocument } from './cli/document.ts'
import { diffReleased } from './cli/openapi-diff.ts'
import { writeReleased } from './cli/openapi-write.ts'

const RELEASED = 'openapi.json'
const say = (line: string) => process.stdout.write(`${line}\n`)

const commands: Record<string, () => Promise<void>> = {
  async 'openapi:write'() {
    say(writeReleased(RELEASED, await currentDocument()))
  },
  async 'openapi:diff'() {
    const { isHonest, text } = diffReleased(RELEASED, await currentDocument())
    say(text)
    if (!isHonest) process.exitCode = 1
  }
}

const [name = ''] = process.argv.slice(2)
const command = Object.hasOwn(commands, name) ? commands[name] : undefined
if (command) await command()
else {
  process.stderr.write(`tenon: there is no command '${name}'; there is ${Object.keys(commands).join(', ')}\n`)
  process.exitCode = 1
}
