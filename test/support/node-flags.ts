import { join } from 'node:path'

const { PATH, NODE_COMPILE_CACHE } = process.env

/** The flags of Node for processes that a test starts: WebAssembly is compiled as quickly as in the test itself. */
export const nodeFlags = process.execArgv.filter((flag) => flag === '--liftoff-only')

/** What Node needs of the environment. What was compiled is kept only where it is kept for the test: coverage is exact then. */
export const nodeEnv = { PATH, ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }) }

/** The same for processes without coverage, which keep it always. */
export const plainNodeEnv = {
  PATH,
  NODE_COMPILE_CACHE: NODE_COMPILE_CACHE ?? join(import.meta.dirname, '../../node_modules/.cache/compiled-tests')
}
