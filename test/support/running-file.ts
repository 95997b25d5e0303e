import { runningFile } from './run-files.ts'

// Evaluated once for each test file of a suite: see `run-files.ts`.
export default runningFile()
