import { embeddedDirectory } from './embedded.ts'
import { command, type MakeCommand } from './frame.ts'

/** `tenon db restore` */
export const dbRestoreCommand: MakeCommand = ({ env, output }) =>
  command('restore <file>', 'Put the embedded database of a backup into DATA_DIR', [
    'tenon db restore shop.tar.gz',
    'tenon db restore shop.tar.gz --replace',
    'pg_restore --clean --dbname="$DATABASE_URL" shop.dump   # of a PostgreSQL'
  ])
    .option('--replace', 'put the database that is there aside')
    .action(async (file: string, { replace = false }: { replace?: boolean }) => {
      const directory = embeddedDirectory(env, 'pg_restore')
      const { restore } = await import('../db/embedded/archive.ts')
      const aside = await restore(directory, file, replace)
      output.say(`${directory} has the database of ${file} now${aside ? `; the one before is ${aside}` : ''}.`)
    })
