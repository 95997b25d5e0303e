import { embeddedDirectory } from './embedded.ts'
import { command, type MakeCommand } from './frame.ts'

/** `tenon db backup` */
export const dbBackupCommand: MakeCommand = ({ env, output }) =>
  command('backup <file>', 'Write the embedded database, which no server may use meanwhile, to a file', [
    'tenon db backup shop.tar.gz',
    'pg_dump --format=custom --file=shop.dump "$DATABASE_URL"   # of a PostgreSQL'
  ]).action(async (file: string) => {
    const directory = embeddedDirectory(env, 'pg_dump')
    const { backUp } = await import('../db/embedded/archive.ts')
    const bytes = await backUp(directory, file)
    output.say(`${file} has the database of ${directory}: ${(bytes / 1_000_000).toFixed(1)} MB.`)
  })
