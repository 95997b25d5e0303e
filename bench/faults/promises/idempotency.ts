import { isOk, send } from '../load.ts'
import { bounded, type Promised, seen } from '../promise.ts'

const TIMES = 100

export default {
  name: 'idempotency',
  title: `One Idempotency-Key ${TIMES} times at once over three instances`,
  async show(lab) {
    const database = await lab.database()
    const urls = (await lab.instances(3, database.url)).map(({ url }) => url)
    const rounds = lab.some(10, 3)
    let [effects, firsts, replayed, odd] = [0, 0, 0, 0]
    for (let round = 0; round < rounds; round += 1) {
      const title = `once-${round}`
      const headers = { 'x-api-key': lab.key, 'idempotency-key': title }
      const call = { method: 'POST', path: '/api/v1/items', headers, body: { title } }
      const answers = await Promise.all(
        Array.from({ length: TIMES }, (_none, n) => send(lab.agent, urls[n % 3] as string, call))
      )
      const served = answers.filter(isOk)
      firsts += served.filter(({ headers }) => headers['idempotency-replayed'] !== 'true').length
      replayed += served.filter(({ headers }) => headers['idempotency-replayed'] === 'true').length
      odd += answers.filter((answer) => !isOk(answer) && answer.status !== 409).length
      const [row] = await database.sql`select count(*)::int as count from items where title = ${title}`
      effects += row?.count
    }
    return [
      bounded(effects === rounds, `${effects} effects of ${rounds} keys`, 'one each'),
      bounded(firsts === rounds, `${firsts} first answers`, 'one each'),
      seen(`${replayed} replayed`),
      bounded(odd === 0, `${odd} other than these and 409`, 'none')
    ]
  }
} satisfies Promised
