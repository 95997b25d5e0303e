import { Command } from 'commander'
import { clientCommand } from './client.ts'
import type { MakeCommand } from './frame.ts'
import { fuzzCommand } from './fuzz.ts'
import { loadCommand } from './load.ts'
import { migrateCommand } from './migrate.ts'
import { newResourceCommand } from './new-resource.ts'
import { openapiDiffCommand } from './openapi-diff.ts'
import { openapiWriteCommand } from './openapi-write.ts'
import { usersPasswordCommand } from './users-password.ts'

/** All commands. */
export const program: MakeCommand = (context) => {
  const making = new Command('new').description('Write code').addCommand(newResourceCommand(context))
  const users = new Command('users').description('The users of the database')
  users.addCommand(usersPasswordCommand(context))
  const all = new Command('tenon')
    .description('The tools of Tenon, from the schemas of its routes.')
    .addHelpText('after', '\n`tenon <command> --help` has the options of a command, and examples.')
  for (const make of [migrateCommand, clientCommand, fuzzCommand, loadCommand, openapiWriteCommand, openapiDiffCommand])
    all.addCommand(make(context))
  return all.addCommand(making).addCommand(users)
}
