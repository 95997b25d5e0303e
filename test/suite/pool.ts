import { runSuite } from '#test/support/run-files.ts'

await runSuite('pool')
