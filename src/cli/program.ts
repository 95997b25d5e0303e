import { Command } from 'commander'
import { clientCommand } from './client.ts'
import { dbBackupCommand } from './db-backup.ts'
import { dbRestoreCommand } from './db-restore.ts'
import { dbSeedCommand } from './db-seed.ts'
import { dbStatusCommand } from './db-status.ts'
import { doctorCommand } from './doctor.ts'
import type { MakeCommand } from './frame.ts'
import { fuzzCommand } from './fuzz.ts'
import { keysCreateCommand } from './keys-create.ts'
import { keysListCommand } from './keys-list.ts'
import { keysRevokeCommand } from './keys-revoke.ts'
import { keysRotateCommand } from './keys-rotate.ts'
import { loadCommand } from './load.ts'
import { migrateCommand } from './migrate.ts'
import { newResourceCommand } from './new-resource.ts'
import { openapiDiffCommand } from './openapi-diff.ts'
import { openapiWriteCommand } from './openapi-write.ts'
import { routesCommand } from './routes.ts'
import { usersCreateCommand } from './users-create.ts'
import { usersDisableCommand } from './users-disable.ts'
import { usersListCommand } from './users-list.ts'
import { usersPasswordCommand } from './users-password.ts'

/** All commands. */
export const program: MakeCommand = (context) => {
  const group = (name: string, description: string, makes: MakeCommand[]) => {
    const made = new Command(name).description(description)
    for (const make of makes) made.addCommand(make(context))
    return made
  }
  const all = new Command('tenon')
    .description('The tools of Tenon, from the schemas of its routes.')
    .addHelpText('after', '\n`tenon <command> --help` has the options of a command, and examples.')
  for (const make of [
    migrateCommand,
    doctorCommand,
    routesCommand,
    clientCommand,
    fuzzCommand,
    loadCommand,
    openapiWriteCommand,
    openapiDiffCommand
  ])
    all.addCommand(make(context))
  all.addCommand(group('new', 'Write code', [newResourceCommand]))
  all.addCommand(
    group('db', 'The database', [migrateCommand, dbStatusCommand, dbSeedCommand, dbBackupCommand, dbRestoreCommand])
  )
  all.addCommand(
    group('keys', 'The API keys of the database', [
      keysCreateCommand,
      keysListCommand,
      keysRotateCommand,
      keysRevokeCommand
    ])
  )
  return all.addCommand(
    group('users', 'The users of the database', [
      usersCreateCommand,
      usersListCommand,
      usersDisableCommand,
      usersPasswordCommand
    ])
  )
}
