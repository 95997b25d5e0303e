import { defineJob } from '#src/jobs/job.ts'
import { operationJob } from './operation.ts'

export default defineJob({ name: 'export', ...operationJob })
