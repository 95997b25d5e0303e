import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'

/** The interface of a database for the rest of the code, independent of the driver. */
export type Database = PgDatabase<PgQueryResultHKT, Record<string, never>>

/** The same inside a transaction. A statement on the database itself in there would wait for ever on PGlite. */
export type Transaction = Database

/** Hears what is notified on a channel. */
export interface Listener {
  /** Stops hearing, and ends the connection. */
  close(): Promise<void>
}

/**
 * Starts to hear a channel, on a connection of its own where there are connections. Settles once it hears.
 * @param onListening told when it hears, also when it does again after its connection was cut.
 */
export type Listen = (channel: string, onMessage: (text: string) => void, onListening: () => void) => Promise<Listener>
