/** The flags of Node for processes that a test starts: WebAssembly is compiled as quickly as in the test itself. */
export const nodeFlags = process.execArgv.filter((flag) => flag === '--liftoff-only')
