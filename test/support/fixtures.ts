import { fileURLToPath } from 'node:url'

/** The routes of `test/fixtures/routes`: resources with declarations that no real one has. */
export const fixtures = { routes: fileURLToPath(new URL('../fixtures/routes', import.meta.url)) }

/** The routes of `test/fixtures/kinds`: a resource for each type of column. */
export const kindRoutes = { routes: fileURLToPath(new URL('../fixtures/kinds', import.meta.url)) }
