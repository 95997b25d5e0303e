// Whether the time of a login tells if a user exists: 500 interleaved tries each, with an unknown user and a wrong
// password.
// node bench/login-timing.ts [tries]; exits with 1 when the medians differ by more than 5 %.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { createFirstAdmin } from '../src/identity/users.ts'

const tries = Number(process.argv[2] ?? 500)
const folder = mkdtempSync(join(tmpdir(), 'tenon-bench-'))
const app = await buildApp(loadConfig({ DATA_DIR: folder, LOG_LEVEL: 'silent', RATE_LIMIT_ENABLED: 'false' }))
await createFirstAdmin(app.db, 'known@example.com', 'the right password')

const times = { unknown: [] as number[], wrong: [] as number[] }
for (let round = 0; round < tries; round += 1) {
  const order = round % 2 === 0 ? (['unknown', 'wrong'] as const) : (['wrong', 'unknown'] as const)
  for (const kind of order) {
    const email = kind === 'wrong' ? 'known@example.com' : 'nobody@example.com'
    const start = performance.now()
    await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email, password: 'not the password' } })
    times[kind].push(performance.now() - start)
  }
}
await app.close()
rmSync(folder, { recursive: true })

const median = (all: number[]) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)] as number
const [unknown, wrong] = [median(times.unknown), median(times.wrong)]
const difference = Math.abs(unknown - wrong) / wrong
process.stdout.write(
  `unknown ${unknown.toFixed(2)} ms, wrong ${wrong.toFixed(2)} ms: ${(difference * 100).toFixed(2)} % apart\n`
)
process.exitCode = difference > 0.05 ? 1 : 0
