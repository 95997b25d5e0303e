// Sends one load with autocannon, in a process of its own. It takes the load as JSON, and writes what it saw as JSON.
import autocannon from 'autocannon'
import { ID_BASE } from './database.ts'
import { fill, type Requests, type Seen, type Sending } from './generator.ts'

const { port, requests, sending } = JSON.parse(process.argv[2] as string) as {
  port: number
  requests: Requests
  sending: Sending
}
let serial = 0
const numbers: Record<string, () => string | number> = {
  id: () => ID_BASE + 1 + Math.floor(Math.random() * sending.ids),
  price: () => Math.floor(Math.random() * sending.prices),
  serial: () => String(serial).padStart(12, '0')
}
const number = (name: string) => (numbers[name] as () => string | number)()

const result = await autocannon({
  url: `http://127.0.0.1:${port}`,
  connections: sending.connections,
  duration: sending.seconds,
  requests: [
    {
      method: requests.method,
      headers: requests.headers ?? {},
      setupRequest(request) {
        serial += 1
        request.path = fill(requests.path, number)
        if (requests.body !== undefined) request.body = fill(requests.body, number)
        return request
      }
    }
  ]
})
const seen: Seen = {
  requests: result['2xx'],
  seconds: result.duration,
  // autocannon counts in whole milliseconds.
  p50Us: result.latency.p50 * 1000,
  p99Us: result.latency.p99 * 1000,
  failures: result.non2xx + result.errors + result.timeouts
}
process.stdout.write(JSON.stringify(seen))
