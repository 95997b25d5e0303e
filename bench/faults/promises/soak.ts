import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { load } from '../../throughput/database.ts'
import { freePort, memoryMb } from '../../throughput/processes.ts'
import { Inspector } from '../inspector.ts'
import { Ledger } from '../ledger.ts'
import { isOk, p99, startLoad, tally } from '../load.ts'
import { mixed, ROWS } from '../mixed.ts'
import { bounded, type Promised, seen } from '../promise.ts'
import { flat } from '../trend.ts'

const RATE = 300

export default {
  name: 'soak',
  title: `${RATE} mixed requests/s for 10 minutes`,
  isByNameOnly: true,
  async show(lab) {
    const database = await lab.database()
    await load(database, ROWS)
    const inspectorPort = await freePort()
    const { pid, url } = await lab.instance(database.url, { NODE_OPTIONS: `--inspect=127.0.0.1:${inspectorPort}` })
    const inspector = await Inspector.connect(inspectorPort)
    const ledger = new Ledger(lab.key)
    // Bodies and headers are dropped: kept for the whole run, they would slow down the load generator.
    const traffic = startLoad(RATE, async (n) => ({ ...(await mixed(lab, url, ledger, n)), body: '', headers: {} }))
    const parts = lab.some(10, 6)
    const heaps: number[] = []
    const descriptors: number[] = []
    const resident: number[] = []
    const edges = [performance.now()]
    for (let part = 0; part < parts; part += 1) {
      await sleep(lab.some(60_000, 10_000))
      edges.push(performance.now())
      heaps.push(await inspector.heapAfterCollectionMb())
      descriptors.push(readdirSync(`/proc/${pid}/fd`).length)
      resident.push(memoryMb(pid) as number)
    }
    const answers = await traffic.stop()
    inspector.close()
    // A collection by force stops the server for some tens of milliseconds; those are not the load's.
    const p99s = edges
      .slice(1)
      .map((end, at) =>
        p99(answers.filter(({ sentAt, ms }) => sentAt > (edges[at] as number) + 500 && sentAt + ms < end))
      )
    const failed = answers.filter((answer) => !isOk(answer))
    return [
      bounded(
        failed.length === 0,
        `${failed.length} of ${answers.length.toLocaleString('en')} failed ${tally(failed)}`.trim(),
        'none'
      ),
      flat('heap after collection', heaps, 'MB', 5),
      flat('descriptors', descriptors, '', 10),
      flat('p99', p99s, 'ms', 20),
      seen(`resident memory ${resident.map(Math.round).join(' ')} MB`),
      ...(await ledger.check(database.sql))
    ]
  }
} satisfies Promised
