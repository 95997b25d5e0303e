import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { load } from '../../throughput/database.ts'
import { freePort } from '../../throughput/processes.ts'
import { Inspector } from '../inspector.ts'
import { Ledger } from '../ledger.ts'
import { isOk, p99, startLoad, tally } from '../load.ts'
import { mixed, ROWS } from '../mixed.ts'
import { bounded, type Promised, seen } from '../promise.ts'

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
    const traffic = startLoad(RATE, (n) => mixed(lab, url, ledger, n))
    const parts = lab.some(10, 6)
    const heaps: number[] = []
    const descriptors: number[] = []
    const edges = [performance.now()]
    for (let part = 0; part < parts; part += 1) {
      await sleep(lab.some(60_000, 10_000))
      edges.push(performance.now())
      heaps.push(await inspector.heapAfterCollectionMb())
      descriptors.push(readdirSync(`/proc/${pid}/fd`).length)
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
        `${failed.length} of ${answers.length.toLocaleString('en')} failed ${tally(failed)}`,
        'none'
      ),
      flat('heap after collection', heaps, 'MB', 5),
      flat('descriptors', descriptors, '', 10),
      flat('p99', p99s, 'ms', 20),
      seen(`in ${parts} parts: heap ${list(heaps)} MB, p99 ${list(p99s)} ms`),
      ...(await ledger.check(database.sql))
    ]
  }
} satisfies Promised

// The last third beside the first, of which the very first part is left out: it warms up.
function flat(what: string, all: number[], unit: string, tolerance: number) {
  const third = Math.ceil(all.length / 3)
  const [first, last] = [median(all.slice(1, third + 1)), median(all.slice(-third))]
  const text = `${what} ${first.toFixed(1)} → ${last.toFixed(1)} ${unit}`.trim()
  return bounded(last <= Math.max(first * 1.1, first + tolerance), text, `at most 10 % or ${tolerance} ${unit} more`)
}

const median = (all: number[]) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] as number
const list = (all: number[]) => all.map((one) => one.toFixed(1)).join(' ')
