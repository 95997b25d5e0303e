import { writeFileSync } from 'node:fs'
import type { Document } from '../openapi/diff/document.ts'

/** Writes a document as the released one, for the next comparison. */
export function writeReleased(file: string, document: Document): string {
  writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`)
  return `${file} is the document of version ${document.info.version} now.`
}
