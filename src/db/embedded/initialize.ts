// Run as a process of its own: making a database takes a second and a third PostgreSQL in memory, 1.1 GB at the peak, and
// a process does not give back what WebAssembly took.
import { PGlite } from '@electric-sql/pglite'

const made = await PGlite.create(process.argv[2] as string)
await made.close()
