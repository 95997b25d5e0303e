import { fileURLToPath } from 'node:url'
/** The routes of `test/fixtures`: resources that declare what none of ours does. */
export const fixtures = { routes: fileURLToPath(new URL('../fixtures/routes', import.meta.url)) }
