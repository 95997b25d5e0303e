import { writeFileSync } from 'node:fs'
import type { Document } from '../openapi/diff/document.ts'
import { command, type MakeCommand } from './frame.ts'

/** The file of the document that was released last. */
export const RELEASED = 'openapi.json'

/** Writes a document as the released one, for the next comparison. */
export function writeReleased(file: string, document: Document): string {
  writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`)
  return `${file} is the document of version ${document.info.version} now.`
}

/** `tenon openapi:write` */
export const openapiWriteCommand: MakeCommand = ({ output }) =>
  command('openapi:write', `Write the OpenAPI document of this code to ${RELEASED}, as the released one`).action(
    async () => {
      const { currentDocument } = await import('./document.ts')
      output.say(writeReleased(RELEASED, await currentDocument()))
    }
  )
