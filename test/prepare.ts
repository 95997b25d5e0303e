import { prepareTemplate } from './support/database.ts'

await prepareTemplate()
