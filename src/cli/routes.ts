import { describeLimits, type ListedRoute, listRoutes } from '../tools/routes/list.ts'
import { command, finding, type MakeCommand } from './frame.ts'
import { tableOf } from './table.ts'

const COLUMNS = ['method', 'path', 'access', 'limits', 'request', 'response', 'source']

/**
 * `tenon routes`: lists routes as a table or JSON.
 * @param ownRoutes gives the routes of this code.
 */
export const makeRoutesCommand =
  (ownRoutes: () => Promise<ListedRoute[]>): MakeCommand =>
  (context) =>
    command('routes [path]', 'List the routes of this code: access, limits, schemas and the file of each', [
      'tenon routes',
      'tenon routes /api/v1/products',
      'tenon routes --json | jq -r \'.[] | select(.access == "public").path\''
    ])
      .option('--json', 'print them as JSON')
      .action(
        finding(context, async (part: string | undefined, { json }: { json?: boolean }) => {
          const routes = (await ownRoutes()).filter(({ path }) => path.includes(part ?? ''))
          if (json) context.output.say(JSON.stringify(routes, null, 2))
          else if (routes.length === 0) context.output.complain(`no path has '${part}' in it`)
          else context.output.say(tableOf(COLUMNS, routes.map(rowOf)))
          return routes.length > 0
        })
      )

/** `tenon routes` of this code. */
export const routesCommand: MakeCommand = makeRoutesCommand(async () => {
  const [{ BODY_LIMIT }, { withOwnApp }, { RouteSources }] = await Promise.all([
    import('../app.ts'),
    import('./own-app.ts'),
    import('./route-sources.ts')
  ])
  const sources = new RouteSources()
  await withOwnApp(async () => {}, { onRoute: (route) => sources.note(route) })
  return listRoutes(sources.found, BODY_LIMIT)
})

function rowOf({ method, path, access, limits, request, responses, source }: ListedRoute): unknown[] {
  const succeeded = Object.entries(responses).filter(([status]) => status.startsWith('2'))
  const response = succeeded.map(([status, name]) => `${status} ${name}`).join(', ')
  return [method, path, access, describeLimits(limits).join(', ') || null, request, response || null, source]
}
