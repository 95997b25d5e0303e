import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import type { Document } from '../openapi/diff/document.ts'

/** The OpenAPI document of this code, from an application on a temporary embedded database. */
export async function currentDocument(): Promise<Document> {
  const folder = mkdtempSync(join(tmpdir(), 'tenon-openapi-'))
  try {
    const app = await buildApp(loadConfig({ DATA_DIR: folder, LOG_LEVEL: 'silent' }))
    const document = app.swagger() as unknown as Document
    await app.close()
    return document
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
