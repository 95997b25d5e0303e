import { execFile } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { promisify } from 'node:util'
import { TABLE_FILES } from '../db/table-files.ts'
import { MisuseError } from '../tools/misuse.ts'
import { type Context, command, finding, type MakeCommand } from './frame.ts'
import { type FieldSpec, fieldIn } from './new-resource/fields.ts'
import { filesOf, type ResourceSpec, type Target } from './new-resource/files.ts'

const EXAMPLES = [
  'tenon new resource suppliers name:string:unique city:string:?',
  "tenon new resource invoices number:string:unique totalCents:integer dueAt:timestamp customerId:ref:users 'status:enum(draft,sent,paid)=draft'"
]

const FIELDS = `
A field is name:type[:unique][:?][=default]; :? may be null. Types: string (a name), text, integer, bigint, number,
decimal(p,s), boolean, timestamp, date, uuid, json, enum(a,b), ref:<resource>, and lists: string[].`

/** `tenon new resource` */
export const newResourceCommand: MakeCommand = (context) =>
  command('resource <name> <fields...>', 'Write the folder, the migration and the test of a new resource', EXAMPLES)
    .addHelpText('after', FIELDS)
    .option('--singular <name>', 'what one of them is called, where it does not follow from the name: Person')
    .action(
      finding(context, (name: string, fields: string[], { singular }: { singular?: string }) =>
        newResource(process.cwd(), { name, fields: fields.map(fieldIn), singular }, context)
      )
    )

interface Asked {
  name: string
  fields: FieldSpec[]
  singular: string | undefined
}

/**
 * Writes a resource into the project of a folder, makes its migration and checks the types.
 * @returns whether the types are right.
 * @throws MisuseError when the resource exists, or something about it is wrong; nothing is written then.
 */
export async function newResource(
  project: string,
  asked: Asked,
  { output }: Pick<Context, 'output'>
): Promise<boolean> {
  const { name, fields } = asked
  if (!existsSync(join(project, 'routes/api/v1')))
    throw new MisuseError(`${project} is no project of Tenon: run it there`)
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    throw new MisuseError(`'${name}': a name is like orders, or line-items`)
  const folder = join('routes/api/v1', name)
  if (existsSync(join(project, folder))) throw new MisuseError(`${folder} exists already`)
  const twice = fields.find((one, at) => fields.findIndex((other) => other.name === one.name) < at)
  if (twice) throw new MisuseError(`there are two fields ${twice.name}`)
  const tables = tablesOf(project)
  const table = name.replaceAll('-', '_')
  if (tables.has(table)) throw new MisuseError(`there is a table ${table} already, in ${tables.get(table)?.file}`)
  const spec: ResourceSpec = { name, singular: asked.singular ?? singularOf(name), fields, targets: new Map() }
  if (!/^[A-Z][A-Za-z0-9]*$/.test(spec.singular))
    throw new MisuseError(`--singular is like Person, not '${spec.singular}'`)
  for (const { type } of fields) {
    if (type.is === 'ref') spec.targets.set(type.resource, targetOf(tables, type.resource))
  }

  mkdirSync(join(project, folder))
  const before = new Set(migrationsOf(project))
  for (const [file, text] of Object.entries(filesOf(spec))) writeFileSync(join(project, folder, file), text)
  const bin = (tool: string) => join(project, 'node_modules/.bin', tool)
  await run(bin('biome'), ['check', '--write', folder], project)
  output.progress('making the migration …')
  await run(bin('drizzle-kit'), ['generate', '--name', name], project)
  output.progress('checking the types …')
  const fault = await run(bin('tsc'), [], project).then(
    () => undefined,
    ({ stdout, stderr }) => `${stdout}${stderr}`
  )
  output.progress('')
  const made = [
    ...readdirSync(join(project, folder)).map((file) => join(folder, file)),
    ...migrationsOf(project).filter((file) => !before.has(file))
  ]
  output.say(`Written:\n${made.map((file) => `  ${file}`).join('\n')}`)
  if (fault !== undefined) output.complain(`the types are wrong:\n${fault}`)
  output.say(nextSteps(name))
  return fault === undefined
}

const nextSteps = (name: string) => `
Next:
  npm start                                         applies the migration; /api/v1/${name} is documented at /docs
  npm run test:one routes/api/v1/${name}/*.test.ts  runs its test
Its scopes are ${name}:read, ${name}:write and ${name}:delete: administrators have them, others by their role.
Bounds, examples and filters are in its schema.ts and index.ts; every filter and sort has an index in table.ts, so leave out
what is not needed before you commit the migration.`

async function run(file: string, args: string[], cwd: string): Promise<string> {
  return (await promisify(execFile)(file, args, { cwd })).stdout
}

const migrationsOf = (project: string) => globSync('migrations/*.sql', { cwd: project }).sort()

/** A declared table: the name that its file exports, and the file. */
interface Table {
  exported: string
  file: string
}

/** The declared tables by their names in the database. */
function tablesOf(project: string): Map<string, Table> {
  const files = globSync(TABLE_FILES, { cwd: project }).map((file) => normalize(file))
  return new Map(
    files.flatMap((file) => {
      const text = readFileSync(join(project, file), 'utf8')
      return [...text.matchAll(/export const (\w+) = pgTable\(\s*'(\w+)'/g)].map(
        ([, exported, name]) => [name as string, { exported: exported as string, file }] as const
      )
    })
  )
}

function targetOf(tables: Map<string, Table>, resource: string): Target {
  const table = tables.get(resource.replaceAll('-', '_'))
  if (!table) throw new MisuseError(`ref:${resource}: there is no table of this name`)
  const { exported, file } = table
  const isNeighbour = dirname(dirname(file)) === 'routes/api/v1'
  return { table: exported, from: isNeighbour ? `../${resource}/table.ts` : `#${file}` }
}

/** `Category` of `categories`, `LineItem` of `line-items`. */
export function singularOf(name: string): string {
  const [, stem, ending] = /^(.*?)(ies|(?<=ss|us|x|z|ch|sh)es|(?<![su])s)?$/.exec(name) as unknown as [
    string,
    string,
    string?
  ]
  const one = ending === 'ies' ? `${stem}y` : stem
  return one.replace(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase())
}
