import { defineConfig } from 'drizzle-kit'
import { TABLE_FILES } from './src/db/table-files.ts'

export default defineConfig({ dialect: 'postgresql', schema: TABLE_FILES, out: './migrations' })
