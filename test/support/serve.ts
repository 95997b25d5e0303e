import { createServer } from 'node:net'
import type { Test } from 'tap'
import type { Config } from '#src/config.ts'
import { startApp, type TestApp } from './app.ts'

/** The application, listening, with its own address as the issuer, which real clients need. */
export async function serveApp(
  t: Test,
  overrides: Partial<Record<keyof Config, string>> = {}
): Promise<TestApp & { origin: string }> {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const started = await startApp(t, { JWT_ISSUER: origin, ...overrides })
  await started.app.listen({ host: '127.0.0.1', port })
  return { ...started, origin }
}

/** A free port. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as { port: number }
  await new Promise((done) => server.close(done))
  return port
}
