import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: ['./src/**/table.ts', './src/**/tables/*.ts', './src/db/shared-secrets-table.ts', './routes/**/table.ts'],
  out: './migrations'
})
