import { spawn } from 'node:child_process'
import { on, once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { startApp } from '#test/support/app.ts'
import { copyTree } from '#test/support/copy-tree.ts'
import { isPostgres } from '#test/support/database.ts'

const ROOT = join(import.meta.dirname, '../..')
const RUNNERS = 6
/** What the servers logged as errors. */
const log: string[] = []

interface Instance {
  address: string
  stop: () => Promise<unknown>
}

/** A server of a tree, in a process of its own. */
async function startInstance(t: Test, root: string, env: Record<string, string>): Promise<Instance> {
  const child = spawn(process.execPath, ['src/server.ts'], {
    cwd: root,
    env: { PATH: process.env.PATH, PORT: '0', LOG_LEVEL: 'error', JOBS: 'off', DATABASE_POOL_MAX: '3', ...env },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const ended = once(child, 'exit')
  const stop = () => {
    child.kill('SIGTERM')
    return ended
  }
  t.teardown(stop)
  const lines = createInterface(child.stdout)
  lines.on('line', (line) => line.startsWith('{') && log.push(line))
  for await (const [line] of on(lines, 'line', { close: ['close'] })) {
    const address = /listens on (http:\S+)/.exec(line)?.[1]
    if (address) return { address, stop }
  }
  throw new Error('the server ended before it listened')
}

/** Writes and reads items at all instances until it is stopped: what was written at one is read at another. */
function startLoad(instances: Instance[], authorization: string) {
  const seen = { requests: 0, longestMs: 0, faults: [] as string[] }
  let isStopped = false
  let turn = 0
  const address = () => (instances[turn++ % instances.length] as Instance).address

  async function call(method: string, path: string, sent?: object) {
    const began = performance.now()
    const answer = await fetch(`${address()}/api/v1/items${path}`, {
      method,
      headers: { authorization, ...(sent && { 'content-type': 'application/json' }) },
      ...(sent && { body: JSON.stringify(sent) })
    })
    const text = await answer.text()
    seen.requests += 1
    seen.longestMs = Math.max(seen.longestMs, performance.now() - began)
    if (!answer.ok) seen.faults.push(`${method} ${path}: ${answer.status} ${text}`)
    return answer.ok ? JSON.parse(text) : {}
  }

  async function once(runner: number, round: number) {
    const description = `from ${runner} in ${round}`
    const { id } = await call('POST', '', { title: 'an item', description })
    const check = async (wanted: string, what: string) => {
      const found = (await call('GET', `/${id}`)).description
      if (found !== wanted) seen.faults.push(`${what}: ${found} instead of ${wanted}`)
    }
    await check(description, 'created')
    await call('PATCH', `/${id}`, { description: `${description}, changed` })
    await check(`${description}, changed`, 'changed')
    await call('GET', '?limit=20&sort=-createdAt')
    await call('POST', '/bulk', { items: [{ title: 'one of many', description }] })
  }

  async function run(runner: number) {
    for (let round = 0; !isStopped; round += 1)
      await once(runner, round).catch((error) => seen.faults.push(`${error} ${error.cause}`))
  }
  const runs = Array.from({ length: RUNNERS }, (_, runner) => run(runner))
  /** Settles when the load has gone on for so many requests. */
  const goesOn = async (count: number) => {
    const until = seen.requests + count
    while (seen.requests < until && seen.faults.length === 0) await new Promise((done) => setTimeout(done, 20))
  }
  return {
    seen,
    goesOn,
    async stop() {
      isStopped = true
      await Promise.all(runs)
    }
  }
}

const skip = isPostgres ? false : 'several instances need a PostgreSQL'
const options = { skip, timeout: 240_000 }
t.test(
  'a column, an index and a new name come under load, at three instances, and no request fails',
  options,
  async (t) => {
    const JWT_ISSUER = 'http://issuer.test'
    const { database, someone } = await startApp(t, { JWT_ISSUER })
    const env = { DATABASE_URL: database.DATABASE_URL as string, JWT_ISSUER, RATE_LIMIT_ENABLED: 'false' }
    const { token } = await someone()
    const sql = postgres(env.DATABASE_URL, { max: 1, onnotice: () => {} })
    t.teardown(() => sql.end())
    // As a migration does: it lets go rather than keep others waiting.
    const alter = async (text: string) => {
      for (;;) {
        try {
          // biome-ignore lint/plugin: texts of this test
          return await sql.unsafe(`begin; set local lock_timeout = '2s'; ${text}; commit`)
        } catch (error) {
          await sql`rollback`
          if ((error as { code: string }).code !== '55P03') throw error
        }
      }
    }

    const instances: Instance[] = []
    for (let count = 0; count < 3; count += 1) instances.push(await startInstance(t, ROOT, env))
    const load = startLoad(instances, `Bearer ${token}`)
    const phase = async (what: string, work: () => Promise<unknown>) => {
      await load.goesOn(60)
      await work()
      await load.goesOn(60)
      const wrong = [...load.seen.faults.splice(0), ...log.splice(0)]
      // In whole: a difference is cut off.
      for (const line of wrong) t.comment(line)
      t.same(wrong, [], what)
    }

    await phase('a column with a constant default', () =>
      alter('alter table items add priority integer not null default 0')
    )
    await phase('an index', () => sql`create index concurrently items_description_idx on items (description)`)

    await phase('a new name: expand', async () => {
      await alter(`alter table items add details text;
      create function items_rename() returns trigger language plpgsql as $$ begin
        if tg_op = 'INSERT' then
          new.details := coalesce(new.details, new.description);
          new.description := new.details;
        elsif new.description is distinct from old.description then new.details := new.description;
        else new.description := new.details;
        end if;
        return new;
      end $$;
      create trigger items_rename before insert or update of description, details on items
        for each row execute function items_rename()`)
      for (let count = 1; count > 0; )
        ({ count } = await sql`update items set details = description where id in (
        select id from items where details is null and description is not null limit 100 for update skip locked)`)
    })
    const renamed = copyTree(t)
    const table = join(renamed, 'routes/api/v1/items/table.ts')
    writeFileSync(
      table,
      readFileSync(table, 'utf8').replace("description: text('description')", "description: text('details')")
    )
    await phase('a new name: instances of the new release, one after the other', async () => {
      for (let place = 0; place < 3; place += 1) {
        const next = await startInstance(t, renamed, env)
        const [old] = instances.splice(place, 1, next)
        await load.goesOn(30)
        await (old as Instance).stop()
      }
    })
    await phase('a new name: contract', () =>
      alter('drop trigger items_rename on items; drop function items_rename; alter table items drop description')
    )
    await load.stop()
    t.same(load.seen.faults, [])
    t.comment(`${load.seen.requests} requests, the longest ${Math.round(load.seen.longestMs)} ms`)
    t.ok(load.seen.longestMs < 5000, `${load.seen.longestMs} ms`)
    const [row] = await sql`select count(*)::int as count from items where details is null`
    t.equal(row?.count, 0)
  }
)
