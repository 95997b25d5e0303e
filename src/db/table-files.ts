/** Where tables are declared, seen from the root of the project: drizzle-kit and the check at the start read the same. */
export const TABLE_FILES = [
  './src/**/table.ts',
  './src/**/tables/*.ts',
  './src/db/shared-secrets-table.ts',
  './routes/**/table.ts'
]
