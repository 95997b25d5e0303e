// Sends one load over the connections of `tenon load`, in a process of its own: JSON in, and what it saw as JSON out.
import { Connection } from '../../src/tools/load/connection.ts'
import { allTimes, noMeasures, record } from '../../src/tools/load/measures.ts'
import { ID_BASE } from './database.ts'
import { fill, type Requests, type Seen, type Sending } from './generator.ts'

const { port, requests, sending } = JSON.parse(process.argv[2] as string) as {
  port: number
  requests: Requests
  sending: Sending
}
const { method, headers = {} } = requests
let serial = 0
const numbers: Record<string, () => string | number> = {
  id: () => ID_BASE + 1 + Math.floor(Math.random() * sending.ids),
  price: () => Math.floor(Math.random() * sending.prices),
  serial: () => String(serial).padStart(12, '0')
}
const number = (name: string) => (numbers[name] as () => string | number)()

const measures = noMeasures()
let failures = 0
const start = performance.now()
await Promise.all(
  Array.from({ length: sending.connections }, async () => {
    const connection = new Connection(`http://127.0.0.1:${port}`, 10_000)
    await new Promise<void>((resolve) => {
      const next = (): void => {
        const now = performance.now()
        if (now - start >= sending.seconds * 1000) {
          resolve()
          return
        }
        serial += 1
        const body = requests.body === undefined ? undefined : fill(requests.body, number)
        connection.send({ method, path: fill(requests.path, number), headers, body, isKept: false }, ({ status }) => {
          const isGood = status >= 200 && status < 300
          if (isGood) record(measures, '', performance.now() - now, 0, undefined)
          else failures += 1
          next()
        })
      }
      next()
    })
    await connection.close()
  })
)
const times = allTimes(measures)
const seen: Seen = {
  requests: times.count,
  seconds: (performance.now() - start) / 1000,
  p50Us: times.count === 0 ? 0 : times.percentile(50),
  p99Us: times.count === 0 ? 0 : times.percentile(99),
  failures
}
process.stdout.write(JSON.stringify(seen))
