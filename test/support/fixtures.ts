import { fileURLToPath } from 'node:url'

/** The routes of `test/fixtures/routes`: resources that declare what none of ours does. */
export const fixtures = { routes: fileURLToPath(new URL('../fixtures/routes', import.meta.url)) }

/** Those of `test/fixtures/kinds`: a resource for each type of column. */
export const kindRoutes = { routes: fileURLToPath(new URL('../fixtures/kinds', import.meta.url)) }
