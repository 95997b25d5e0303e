import { randomBytes } from 'node:crypto'
import type { FastifyInstance, InjectOptions } from 'fastify'
import type { Test } from 'tap'
import { type AppOptions, buildApp } from '#src/app.ts'
import { type Config, loadConfig } from '#src/config.ts'
import { hashPassword } from '#src/identity/passwords/passwords.ts'
import { users } from '#src/identity/tables/users.ts'
import { answerChecker } from './answers.ts'
import { createDatabase, type TestDatabase } from './database.ts'

/** The optional parts of a request in a test. */
export interface Sent {
  /** An access token; anonymous when left out. */
  as?: string | undefined
  /** Sent as JSON; a string or buffer as it is. */
  body?: unknown
  headers?: Record<string, string>
}

/** An answer, its body parsed when it is JSON. */
export interface Answered {
  status: number
  headers: Record<string, string>
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  body: any
  text: string
}

/** Calls the application. Every answer is checked against the OpenAPI document on the way. */
export type Send = (method: string, url: string, sent?: Sent) => Promise<Answered>

/** A user of a test, with its access token. */
export interface Someone {
  id: string
  email: string
  token: string
}

export interface TestApp {
  app: FastifyInstance
  send: Send
  database: TestDatabase
  /** Makes a user of a role. */
  someone: (role?: string) => Promise<Someone>
}

// `TEST_BATCHING=off` runs the whole suite without batched statements.
const batches = process.env.TEST_BATCHING !== 'off'

/** The password of every user that a test makes. */
export const PASSWORD = 'a test password 42'
let passwordHash: Promise<string> | undefined

/** The configuration of a test's application: its own database, and no log. */
export function testConfig(database: TestDatabase, overrides: Partial<Record<keyof Config, string>> = {}): Config {
  return loadConfig({
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    DATABASE_POOL_MAX: process.env.DATABASE_POOL_MAX,
    MIGRATE_ON_START: 'false',
    // Jobs run where a test says so: they would send statements of their own in between.
    JOBS: 'off',
    ...database,
    ...overrides
  })
}

/** The whole application on a database of its own, closed when the test ends. */
export async function startApp(
  t: Test,
  overrides: Partial<Record<keyof Config, string>> = {},
  options: AppOptions = {}
): Promise<TestApp> {
  const database = await createDatabase(t)
  // Routes of a test may need more tables than the template has.
  const migrate = options.routes ? { MIGRATE_ON_START: 'true' } : {}
  const app = await buildApp(testConfig(database, { ...migrate, ...overrides }), { batches, ...options })
  // Teardowns run last first: the application lets go of the database before it is dropped.
  t.teardown(() => app.close())
  return {
    app,
    database,
    send: makeSend(t, app, options.routes === undefined),
    someone: (role = 'member') => makeUser(app, role)
  }
}

/**
 * Makes the function by which a test calls an application.
 * @param isOwn whether its routes are those of the project.
 */
export function makeSend(t: Test, app: FastifyInstance, isOwn = false): Send {
  const check = isOwn ? ownChecker(app) : answerChecker(app.swagger() as never)
  return async function send(method, url, { as, body, headers = {} } = {}) {
    const hasBody = body !== undefined
    const isRaw = typeof body === 'string' || Buffer.isBuffer(body)
    const response = await app.inject({
      method: method as NonNullable<InjectOptions['method']>,
      url,
      headers: {
        ...(as && { authorization: `Bearer ${as}` }),
        ...(hasBody && { 'content-type': 'application/json' }),
        ...headers
      },
      ...(hasBody && { payload: (isRaw ? body : JSON.stringify(body)) as string })
    })
    const contentType = response.headers['content-type'] as string | undefined
    const isJson = /\bjson\b/.test(contentType ?? '') && response.payload !== ''
    const answered = isJson ? JSON.parse(response.payload) : undefined
    const seen = isJson ? answered : contentType === undefined ? undefined : response.payload
    const fault = check({ method, url, status: response.statusCode, contentType, body: seen })
    if (fault) t.fail(`the answer does not fit its documentation: ${fault}`)
    return {
      status: response.statusCode,
      headers: response.headers as Record<string, string>,
      body: answered,
      text: response.payload
    }
  }
}

// Documenting all operations takes 0.2 s, and the files of a suite start the application a hundred times. What is
// documented follows from the routes: settings add and remove some of them.
const ownCheckers = new Map<string, ReturnType<typeof answerChecker>>()

function ownChecker(app: FastifyInstance): ReturnType<typeof answerChecker> {
  const routes = app.routeTable.map(({ method, url }) => `${method} ${url}`).join()
  const check = ownCheckers.get(routes) ?? answerChecker(app.swagger() as never)
  ownCheckers.set(routes, check)
  return check
}

/** Makes a user of a role and logs it in. */
export async function makeUser(app: FastifyInstance, role: string): Promise<Someone> {
  passwordHash ??= hashPassword(PASSWORD)
  const email = `${randomBytes(6).toString('hex')}@example.com`
  const [user] = await app.db
    .insert(users)
    .values({ email, name: 'Somebody', passwordHash: await passwordHash, role, active: true })
    .returning({ id: users.id })
  const { id } = user as { id: string }
  const login = await app.inject({
    method: 'POST',
    url: '/api/v1/auth/login',
    payload: { email, password: PASSWORD }
  })
  return { id, email, token: login.json().accessToken }
}
