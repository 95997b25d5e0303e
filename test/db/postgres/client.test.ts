import type { Socket } from 'node:net'
import { sql } from 'drizzle-orm'
import { integer, pgTable } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { Limiter } from '#src/concurrency/limiter.ts'
import { runInScope, watchScope } from '#src/concurrency/request-scope.ts'
import { toApiError } from '#src/db/errors.ts'
import { createResilientClient } from '#src/db/postgres/client.ts'
import { repeated } from '#src/db/postgres/retry.ts'
import { CANCELLED, startServer, startWire } from '#test/support/wire.ts'

const numbers = pgTable('numbers', { n: integer('n').primaryKey() })
const unavailable = { code: 'UNAVAILABLE', statusCode: 503, headers: { 'retry-after': '1' } }
const idle = { running: 0, waiting: 0 }

// Authentication passed, what to cancel by, ready for a statement.
const LET_IN = Buffer.from('R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I')

/** Opens a database that gives its server this long to answer. */
function connectTo(t: Test, url: string, timeoutMs: number, cancelMs?: number, lookMs?: number) {
  const limiter = new Limiter({ inFlight: 1, waiting: 10, waitMs: 60_000 })
  const { client, end } = createResilientClient(
    () => postgres(url, { max: 1, fetch_types: false, backoff: () => 0.01 }),
    limiter,
    { timeoutMs, ...(cancelMs && { cancelMs }), ...(lookMs && { lookMs }) }
  )
  t.teardown(end)
  return { db: drizzle({ client }), limiter, end }
}

const wire = await startWire(t)

async function startNumbers(t: Test, timeoutMs: number, cancelMs?: number, lookMs?: number) {
  await wire.speak()
  const { db, limiter, end } = connectTo(t, wire.url, timeoutMs, cancelMs, lookMs)
  await db.execute(sql`drop table if exists numbers`)
  await db.execute(sql`create table numbers (n integer primary key)`)
  const all = async () => (await db.select().from(numbers).orderBy(numbers.n)).map(({ n }) => n)
  return { db, limiter, end, all }
}

/** What the caller of a statement is answered. */
const answerOf = (statement: PromiseLike<unknown>) =>
  statement.then(
    () => 'an answer',
    (error) => toApiError(error, () => undefined) ?? error
  )

t.test('statements and transactions do what they do without a guard', async (t) => {
  const { db, limiter, all } = await startNumbers(t, 60_000)
  await db.insert(numbers).values({ n: 1 })
  t.same(await db.insert(numbers).values({ n: 2 }).returning(), [{ n: 2 }])
  const made = await db.transaction(async (tx) => {
    await tx.insert(numbers).values({ n: 3 })
    await tx.transaction((inner) => inner.insert(numbers).values({ n: 4 }))
    await t.rejects(
      tx.transaction(async (inner) => {
        await inner.insert(numbers).values({ n: 5 })
        throw new Error('undone')
      }),
      { message: 'undone' }
    )
    return tx.$count(numbers)
  })
  t.equal(made, 4)
  t.same(await all(), [1, 2, 3, 4])
  t.same(limiter.load, idle)
})

t.test('a transaction that fails keeps nothing and says why', async (t) => {
  const { db, limiter, all } = await startNumbers(t, 60_000)
  const failing = db.transaction(async (tx) => {
    await tx.insert(numbers).values({ n: 1 })
    await tx.insert(numbers).values({ n: 1 })
  })
  t.match(await answerOf(failing), { code: 'CONFLICT' })
  const refused = db.transaction(async (tx) => {
    await tx.insert(numbers).values({ n: 2 })
    throw new RangeError('ours')
  })
  await t.rejects(refused, { name: 'RangeError', message: 'ours' })
  t.same(await all(), [])
  t.same(limiter.load, idle)
})

for (const place of ['insert', 'begin', 'commit']) {
  t.test(`a server that falls silent at ${place} is a 503, and the next caller has a new connection`, async (t) => {
    const { db, limiter, all } = await startNumbers(t, 300)
    wire.silenceAt(place)
    const change = db.transaction((tx) => tx.insert(numbers).values({ n: 1 }))
    t.match(await answerOf(change), unavailable)
    t.same(limiter.load, idle)
    await wire.speak()
    t.same(await all(), [])
    await db.insert(numbers).values({ n: 2 })
    t.same(await all(), [2])
  })
}

t.test('ending waits for the statements that run, and lets no more in', async (t) => {
  const { end, all } = await startNumbers(t, 60_000)
  const running = all()
  await new Promise((resolve) => setImmediate(resolve))
  await end()
  t.same(await running, [])
  t.match(await answerOf(all()), unavailable)
})

t.test('a statement without an answer is a 503, and so is every statement that waits behind it', async (t) => {
  const { db, limiter, all } = await startNumbers(t, 300)
  wire.silence()
  const answers = [all(), all(), db.execute(sql`select 1`)].map(answerOf)
  await new Promise((resolve) => setImmediate(resolve))
  t.same(limiter.load, { running: 1, waiting: 2 })
  for (const answer of await Promise.all(answers)) t.match(answer, unavailable)
  t.same(limiter.load, idle)
  await wire.speak()
  t.same(await all(), [])
})

t.test('a link on which answers trickle in is a 503 until they come whole again', async (t) => {
  const { db, limiter } = await startNumbers(t, 60_000, undefined, 2)
  const long = async () => (await db.execute(sql`select repeat('x', 5000)`)).length
  t.equal(await long(), 1)
  wire.trickle()
  t.match(await answerOf(long()), unavailable)
  t.match(await answerOf(db.execute(sql`select 1`)), unavailable, 'short ones are not tried either')
  t.same(limiter.load, idle)
  await wire.speak()
  t.equal(await until(long), 1)
})

t.test('a server that closes every connection as it starts is a 503', async (t) => {
  const { url } = await startServer(t, (socket) => socket.destroy())
  const { db, limiter } = connectTo(t, url, 300)
  t.match(await answerOf(db.execute(sql`select 1`)), unavailable)
  t.same(limiter.load, idle)
})

/** Does something again until it is done. */
async function until<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

t.test('a silence is noticed long before the deadline of a statement, and so is its end', async (t) => {
  const { db, limiter, all } = await startNumbers(t, 60_000, undefined, 20)
  wire.silence()
  t.match(await answerOf(all()), unavailable)
  t.match(await answerOf(db.transaction((tx) => tx.insert(numbers).values({ n: 1 }))), unavailable)
  t.same(limiter.load, idle)
  await wire.speak()
  t.same(await until(all), [])
  for (const place of ['insert', 'commit']) {
    wire.silenceAt(place)
    t.match(await answerOf(db.transaction((tx) => tx.insert(numbers).values({ n: 1 }))), unavailable, place)
    await wire.speak()
    t.same(await until(all), [])
  }
  t.same(limiter.load, idle)
})

t.test('that no connection comes to be is noticed as a silence is', async (t) => {
  const { url } = await startServer(t, (socket) => socket.destroy())
  const { db, limiter } = connectTo(t, url, 60_000, undefined, 20)
  t.match(await answerOf(db.execute(sql`select 1`)), unavailable)
  t.same(limiter.load, idle)
})

t.test('a server that refuses connections is a 503 at once', async (t) => {
  const { url, stop } = await startServer(t, () => {})
  await stop()
  const { db, limiter } = connectTo(t, url, 60_000)
  t.match(await answerOf(db.execute(sql`select 1`)), unavailable)
  t.match(await answerOf(db.transaction((tx) => tx.execute(sql`select 1`))), unavailable)
  t.same(limiter.load, idle)
})

t.test('a server that never starts a connection is a 503, and the next caller has a new pool', async (t) => {
  const { url } = await startServer(t, () => {})
  const limiter = new Limiter({ inFlight: 1, waiting: 10, waitMs: 60_000 })
  let pools = 0
  const connect = () => {
    pools += 1
    return postgres(url, { max: 1, fetch_types: false, connect_timeout: 0.1 })
  }
  const { client, end } = createResilientClient(connect, limiter)
  t.teardown(end)
  t.match(await answerOf(drizzle({ client }).execute(sql`select 1`)), unavailable)
  t.equal(pools, 2)
  t.same(limiter.load, idle)
})

t.test('a connection cut in a statement is a 503, and the next caller has a new one', async (t) => {
  const { limiter, all } = await startNumbers(t, 60_000)
  wire.silenceAt('numbers')
  const statement = answerOf(all())
  await wire.hasFallenSilent()
  wire.cut()
  t.match(await statement, unavailable)
  await wire.speak()
  t.same(await all(), [])
  t.same(limiter.load, idle)
})

t.test('an answer that was cut after its first row leaves nothing in the next one', async (t) => {
  const { db, limiter, all } = await startNumbers(t, 60_000)
  await db.insert(numbers).values([{ n: 1 }, { n: 2 }])
  const select = async () => [...(await db.execute(sql`select n from numbers order by n`))]
  t.same(await all(), [1, 2])
  // CommandComplete.
  wire.cutAnswerAt('C\0\0\0')
  t.match(await answerOf(all()), unavailable)
  t.same(await all(), [1, 2])
  wire.cutAnswerAt('C\0\0\0')
  t.match(await answerOf(select()), unavailable)
  t.same(await select(), [{ n: 1 }, { n: 2 }])
  t.same(limiter.load, idle)
})

t.test('an error that was cut is not that of the next statement or transaction', async (t) => {
  const { db, limiter, all } = await startNumbers(t, 60_000)
  await db.insert(numbers).values({ n: 1 })
  const next = [async () => await db.execute(sql`select 1`), () => db.transaction((tx) => tx.execute(sql`select 1`))]
  for (const one of next) {
    // ReadyForQuery.
    wire.cutAnswerAt('Z\0\0\0')
    t.match(await answerOf(db.execute(sql`insert into numbers values (1)`)), unavailable)
    t.match(await answerOf(one()), unavailable)
    t.equal(await answerOf(one()), 'an answer')
  }
  t.same(await all(), [1])
  t.same(limiter.load, idle)
})

for (const isNested of [false, true]) {
  const where = isNested ? 'a transaction inside a transaction' : 'a transaction'
  t.test(`a connection cut in ${where} is a 503, whatever is tried in it then`, async (t) => {
    const { db, limiter, all } = await startNumbers(t, 2500)
    const change = db.transaction(async (tx) => {
      const work = async (inner: typeof tx) => {
        await inner.insert(numbers).values({ n: 1 })
        wire.silenceAt('select')
        const statement = answerOf(inner.$count(numbers))
        await wire.hasFallenSilent()
        wire.cut()
        t.match(await statement, unavailable)
        t.match(await answerOf(inner.insert(numbers).values({ n: 3 })), { code: 'UNAVAILABLE' })
        throw new Error('given up')
      }
      await (isNested ? tx.transaction(work) : work(tx))
    })
    t.match(await answerOf(change), unavailable)
    await wire.speak()
    t.same(await all(), [])
    t.same(limiter.load, idle)
  })
}

t.test('a connection cut between two statements of a transaction is a 503', async (t) => {
  const { db, limiter, all } = await startNumbers(t, 2500)
  const change = db.transaction(async (tx) => {
    await tx.insert(numbers).values({ n: 1 })
    wire.silence()
    wire.cut()
    await tx.insert(numbers).values({ n: 2 })
  })
  t.match(await answerOf(change), unavailable)
  await wire.speak()
  t.same(await all(), [])
  t.same(limiter.load, idle)
})

/** A caller that disconnects when told to. */
function someone() {
  const socket = { destroyed: false }
  const leave = () => {
    socket.destroyed = true
  }
  return { socket, endsAt: Number.POSITIVE_INFINITY, leave }
}

t.test('a statement is cancelled in the server when its caller leaves, and its place is free', async (t) => {
  const { limiter, all } = await startNumbers(t, 60_000)
  wire.silenceAt('numbers')
  const caller = someone()
  const statement = answerOf(runInScope(caller, () => all()))
  await wire.hasFallenSilent()
  caller.leave()
  t.match(await statement, { code: 'DEADLINE_EXCEEDED', statusCode: 503, headers: { 'retry-after': '1' } })
  t.same(limiter.load, idle)
  await wire.speak()
})

t.test('a statement is cancelled when the server does not end it by itself', async (t) => {
  const { limiter, all } = await startNumbers(t, 60_000, 1000)
  t.same(await runInScope(someone(), all), [])
  wire.silenceAt('numbers')
  t.match(await answerOf(all()), unavailable)
  t.same(limiter.load, idle)
  await wire.speak()
})

t.test('a statement that was done when its caller left says so, and what fails says why', async (t) => {
  const { all, db } = await startNumbers(t, 60_000)
  t.same(await runInScope(someone(), () => all()), [])
  t.match(await answerOf(runInScope(someone(), async () => await db.insert(numbers).values([{ n: 1 }, { n: 1 }]))), {
    code: 'CONFLICT'
  })
})

t.test('a transaction is rolled back when its caller leaves', async (t) => {
  const { db, limiter, all } = await startNumbers(t, 60_000)
  const caller = someone()
  const change = runInScope(caller, () =>
    db.transaction(async (tx) => {
      await tx.insert(numbers).values({ n: 1 })
      caller.leave()
      await tx.insert(numbers).values({ n: 2 })
    })
  )
  t.match(await answerOf(change), { code: 'DEADLINE_EXCEEDED' })
  t.same(await all(), [])
  t.same(limiter.load, idle)
})

t.test('a statement that waits for its connection to open is cancelled when it is open', async (t) => {
  const caller = someone()
  let connection: Socket
  const { url } = await startServer(t, (socket) => {
    socket.once('data', (message) => {
      if (message.length === 16) {
        connection.write(CANCELLED)
        return void socket.end()
      }
      connection = socket
      caller.leave()
      // The statement was watched first, so it could not be given up by now.
      watchScope(caller, () => socket.write(LET_IN))
    })
  })
  const { db, limiter } = connectTo(t, url, 60_000)
  t.match(await answerOf(runInScope(caller, async () => await db.execute(sql`select 1`))), {
    code: 'DEADLINE_EXCEEDED'
  })
  t.same(limiter.load, idle)
})

/** A statement that meets another transaction so many times. The count is a sequence, which no rollback takes back. */
async function startConflicts(t: Test) {
  const started = await startNumbers(t, 60_000)
  await started.db.execute(sql`drop sequence if exists meetings`)
  await started.db.execute(sql`create sequence meetings`)
  await started.db.execute(sql`create or replace function meet(times int, code text) returns int as $$
    declare met int := nextval('meetings');
    begin
      if met <= times then raise exception 'in the way' using errcode = code; end if;
      return met;
    end $$ language plpgsql`)
  return started
}

for (const code of ['40001', '40P01']) {
  t.test(`${code} is tried again, statements and whole transactions, three times at most`, async (t) => {
    const { db, limiter, all } = await startConflicts(t)
    const again = () => db.execute(sql`alter sequence meetings restart`)
    t.match(await runInScope(someone(), async () => await db.execute(sql`select meet(3, ${code})`)), [{ meet: 4 }])
    await again()
    await db.transaction(async (tx) => {
      await tx.insert(numbers).values({ n: 1 })
      await tx.execute(sql`select meet(3, ${code})`)
    })
    t.same(await all(), [1])
    await again()
    t.match(await answerOf(db.execute(sql`select meet(9, ${code})`)), unavailable)
    t.match(await db.execute(sql`select nextval('meetings')::int as met`), [{ met: 5 }])
    t.same(limiter.load, idle)
  })
}

t.test('a plan that is older than its table is made again, and a column that is missing is told at once', async (t) => {
  const { db } = await startNumbers(t, 60_000)
  const missing = await db.execute(sql`select missing`).then(
    () => undefined,
    (error) => error.cause
  )
  t.match(missing, { code: '42703', routine: 'errorMissingColumn' })
  const triesOf = async (fault: Error, times: number) => {
    let tries = 0
    const work = async () => {
      tries += 1
      if (tries <= times) throw fault
    }
    const failed = await repeated(work).then(
      () => undefined,
      (error) => error
    )
    return { tries, failed }
  }
  t.same(await triesOf(missing, 1), { tries: 1, failed: missing })
  for (const [code, text] of [
    ['42703', 'attribute 7 of type record has been dropped'],
    ['42804', 'attribute 7 of type record has wrong type']
  ]) {
    const stale = Object.assign(new Error(text), { code, severity: 'ERROR', routine: 'CheckVarSlotCompatibility' })
    t.same(await triesOf(stale, 1), { tries: 2, failed: undefined })
    t.same(await triesOf(stale, 9), { tries: 4, failed: stale })
  }
})

t.test('a transaction that failed for another reason, or after its caller left, is not retried', async (t) => {
  const { db } = await startConflicts(t)
  t.match(await answerOf(db.execute(sql`select meet(1, '22012')`)), { code: 'VALIDATION_FAILED' })
  const caller = someone()
  const change = runInScope(caller, () =>
    db.transaction(async (tx) => {
      await tx.execute(sql`select meet(9, '40001')`).catch((error) => {
        caller.leave()
        throw error
      })
    })
  )
  t.match(await answerOf(change), unavailable)
  t.match(await db.execute(sql`select nextval('meetings')::int as met`), [{ met: 3 }])
})
