import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { load } from '../../throughput/database.ts'
import { Ledger } from '../ledger.ts'
import { isOk, longest, p99, startLoad, tally } from '../load.ts'
import { mixed, ROWS } from '../mixed.ts'
import { bounded, none, type Promised, seen } from '../promise.ts'
import { showRevocation } from '../revoked.ts'

const INSTANCES = 3
const CONNECTIONS = 5
const LOOKS = 20

export default {
  name: 'pgbouncer',
  title: `PgBouncer in transaction mode behind ${INSTANCES} instances, ${CONNECTIONS} connections for all`,
  needs: 'pgbouncer',
  async show(lab) {
    const database = await lab.database()
    await load(database, ROWS)
    const pooler = await lab.pooler(CONNECTIONS)
    const instances = await lab.instances(INSTANCES, pooler.through(database.url))
    const urls = instances.map(({ url }) => url)
    const ledger = new Ledger(lab.key)
    const traffic = startLoad(lab.some(300, 150), (n) => mixed(lab, urls[n % INSTANCES] as string, ledger, n))
    await sleep(lab.some(10_000, 3000))
    const [row] = await database.sql`
      select count(*)::int as used from pg_stat_activity where datname = current_database() and application_name = 'tenon'`
    const answers = await traffic.stop()
    const failed = answers.filter((answer) => !isOk(answer))
    return [
      bounded(
        failed.length === 0,
        `${failed.length} of ${answers.length.toLocaleString('en')} requests failed ${tally(failed)}`.trim(),
        'none'
      ),
      seen(`p99 ${Math.round(p99(answers))} ms`),
      seen(`longest ${Math.round(longest(answers))} ms`),
      bounded(row?.used > 0 && row?.used <= CONNECTIONS, `${row?.used} connections used`, `at most ${CONNECTIONS}`),
      none('statements left prepared on them', await countPrepared(pooler.through(database.url))),
      ...(await ledger.check(database.sql)),
      ...(await showRevocation(lab, urls))
    ]
  }
} satisfies Promised

// Each look is a transaction, which may have any of the connections.
async function countPrepared(url: string): Promise<number> {
  const sql = postgres(url.replace(/[?&]pgbouncer=true/, ''), { max: LOOKS, prepare: false, fetch_types: false })
  try {
    const looks = Array.from({ length: LOOKS }, async () => {
      const [row] = await sql`select count(*)::int as count, pg_sleep(0.01) from pg_prepared_statements`
      return row?.count as number
    })
    return Math.max(...(await Promise.all(looks)))
  } finally {
    await sql.end()
  }
}
