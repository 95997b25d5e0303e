import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../throughput/servers.ts'
import { send } from '../load.ts'
import { bounded, type Promised } from '../promise.ts'

export default {
  name: 'migrate',
  title: 'Three instances migrate an empty database at once',
  async show(lab) {
    const known = readdirSync(join(ROOT, 'migrations')).filter((file) => file.endsWith('.sql')).length
    const rounds = lab.some(5, 2)
    let [ready, applied, admins] = [0, 0, 0]
    for (let round = 0; round < rounds; round += 1) {
      const database = await lab.emptyDatabase()
      const running = await lab.instances(3, database.url)
      for (const { url } of running) if ((await send(lab.agent, url, { path: '/readyz' })).status === 200) ready += 1
      const [row] = await database.sql`
        select (select count(*)::int from drizzle.__drizzle_migrations) as applied, (select count(*)::int from users) as admins`
      applied += row?.applied
      admins += row?.admins
      await lab.end(running)
    }
    return [
      bounded(ready === 3 * rounds, `${ready} of ${3 * rounds} instances ready`, 'all'),
      bounded(
        applied === known * rounds,
        `${known} migrations applied ${applied / known} times in ${rounds} rounds`,
        'once a round'
      ),
      bounded(admins === rounds, `${admins} administrators`, 'one a round')
    ]
  }
} satisfies Promised
