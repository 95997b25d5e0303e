import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AppOptions, buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import type { App } from './open.ts'

/** Runs work on the application of this code, on a temporary embedded database, and closes it. */
export async function withOwnApp<T>(work: (app: App) => Promise<T>, options: AppOptions = {}): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'tenon-'))
  try {
    const app = await buildApp(loadConfig({ DATA_DIR: folder, LOG_LEVEL: 'silent' }), options)
    try {
      return await work(app)
    } finally {
      await app.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
