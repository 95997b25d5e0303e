import type { Profiler } from 'node:inspector'
import { Session } from 'node:inspector/promises'
import { isAbsolute, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildApp } from '#src/app.ts'
import { createFirstAdmin } from '#src/identity/users.ts'
import { testConfig } from './app.ts'

/** The requests in `docs/request.md`. */
const REQUESTS = {
  read: (id: string) => ({ method: 'GET', url: `/api/v1/products/${id}` }),
  list: () => ({ method: 'GET', url: '/api/v1/products?limit=5&sort=name' }),
  create: (_id: string, n: number) => ({
    method: 'POST',
    url: '/api/v1/products',
    payload: { sku: `TRACE-${n}`, name: 'Oak desk', priceCents: 100 }
  })
} as const

const root = `${import.meta.dirname}/../../`
const [WARM, MEASURED] = [4, 3]

/**
 * Prints as JSON the files of this repository that each kind of request runs once it is warm, in the order of their
 * first function. In a process of its own: reading V8's counters resets them, which would break the coverage of a test.
 */
async function trace(dataDir: string): Promise<void> {
  const app = await buildApp(testConfig({ DATA_DIR: dataDir }))
  const admin = await createFirstAdmin(app.db, 'admin@example.com', 'a trace password 42')
  const login = await app.inject({
    method: 'POST',
    url: '/api/v1/auth/login',
    payload: { email: admin?.email, password: 'a trace password 42' }
  })
  const made = await app.inject({
    method: 'POST',
    url: '/api/v1/api-keys',
    headers: { authorization: `Bearer ${login.json().accessToken}` },
    payload: { name: 'trace', scopes: ['products:*'] }
  })
  const headers = { 'x-api-key': made.json().key }
  const first = await app.inject({ ...REQUESTS.create('', 0), headers } as never)
  const { id } = first.json()
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  const ran: Record<string, string[]> = {}
  let n = 1
  for (const [kind, request] of Object.entries(REQUESTS)) {
    const turns: Set<string>[] = []
    for (let turn = 0; turn < WARM + MEASURED; turn += 1) {
      await session.post('Profiler.takePreciseCoverage')
      const answer = await app.inject({ ...request(id, n), headers } as never)
      if (answer.statusCode >= 300) throw new Error(`${kind}: ${answer.statusCode} ${answer.payload}`)
      n += 1
      const { result } = await session.post('Profiler.takePreciseCoverage')
      if (turn >= WARM) turns.push(new Set(filesThatRan(result)))
    }
    // What the server does in the background falls into one of them, not into all.
    const [first, ...others] = turns as [Set<string>, ...Set<string>[]]
    ran[kind] = others
      .reduce((common, one) => common.intersection(one), first)
      .values()
      .toArray()
      .sort()
  }
  process.stdout.write(JSON.stringify(ran))
  await app.close()
}

const filesThatRan = (scripts: Profiler.ScriptCoverage[]) =>
  scripts
    .filter(({ functions }) => functions.some(({ ranges }) => ranges[0]?.count))
    .flatMap(({ url }) => (url.startsWith('file:') ? [relative(root, fileURLToPath(url)).split(sep).join('/')] : []))
    .filter((file) => !isAbsolute(file) && /^(src|plugins|routes)\//.test(file))

await trace(process.argv[2] as string)
