import { existsSync, readFileSync } from 'node:fs'
import { compareDocuments, type Document } from '../openapi/diff/document.ts'
import { isAtLeast, neededVersion } from '../openapi/diff/version.ts'
import { command, finding, type MakeCommand } from './frame.ts'
import { RELEASED } from './openapi-write.ts'

/** The result of a comparison, for a person, and whether the version reflects it. */
interface Verdict {
  isHonest: boolean
  text: string
}

/** Compares a document with the last released one, and its version with the one that the differences need. */
export function diffReleased(file: string, document: Document): Verdict {
  if (!existsSync(file))
    return { isHonest: true, text: 'Nothing was released yet: npm run openapi:write makes the first.' }
  const released = JSON.parse(readFileSync(file, 'utf8')) as Document
  const differences = compareDocuments(released, document)
  const [from, to] = [released.info.version, document.info.version]
  const lines = differences
    .sort((a, b) => Number(b.isBreaking) - Number(a.isBreaking))
    .map(({ isBreaking, where, what }) => `${isBreaking ? 'BREAKING' : '        '}  ${where} ${what}`)
  const needed = neededVersion(from, differences)
  const isHonest = isAtLeast(to, needed)
  const counted = differences.filter((one) => one.isBreaking).length
  const summary = `${differences.length} differences to ${from}, ${counted} of them breaking.`
  const advice = isHonest ? '' : ` The version must be ${needed} at least, and is ${to}.`
  return { isHonest, text: [...lines, summary + advice].join('\n') }
}

/** `tenon openapi:diff` */
export const openapiDiffCommand: MakeCommand = (context) =>
  command('openapi:diff', `What changed since ${RELEASED} was written, and whether the version shows it`).action(
    finding(context, async () => {
      const { currentDocument } = await import('./document.ts')
      const { isHonest, text } = diffReleased(RELEASED, await currentDocument())
      context.output.say(text)
      return isHonest
    })
  )
