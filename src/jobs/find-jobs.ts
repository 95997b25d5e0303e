import { globSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { AnyJob } from './job.ts'

/** The jobs of some folders: the default exports of all files `<name>.job.ts` in them. */
export async function findJobs(folders: string[]): Promise<AnyJob[]> {
  const files = folders.flatMap((cwd) =>
    globSync('**/*.job.ts', { cwd })
      .sort()
      .map((file) => join(cwd, file))
  )
  const modules = await Promise.all(
    files.map((file) => import(pathToFileURL(file).href) as Promise<{ default: AnyJob }>)
  )
  return modules.map((module) => module.default)
}
