import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import autoload from '@fastify/autoload'
import Fastify, {
  type FastifyInstance,
  LogController,
  type RawRequestDefaultExpression,
  type RouteOptions
} from 'fastify'
import type { Config } from './config.ts'
import { answerClientError } from './http/client-error.ts'
import { parseOrigins } from './http/cors.ts'
import { refuseUrl } from './http/refuse-url.ts'
import { describeForLog } from './observe/error-for-log.ts'
import { Lines } from './observe/lines.ts'
import { parseQuery } from './schema/query-string.ts'
import { compileSerializer } from './schema/serialize.ts'
import { compileValidator, type HttpPart } from './schema/validate.ts'

declare module 'fastify' {
  interface FastifyInstance {
    config: Config
    /** Whether requests that arrive together share statements. */
    batches: boolean
    /** The buffered log lines of requests. */
    logLines: Lines
    /** The folders with the files `<name>.job.ts`. */
    jobFolders: string[]
  }
}

/** 1 MiB: the largest body of a route that does not set its own bound. */
export const BODY_LIMIT = 1_048_576

/** Options for tests and commands. */
export interface AppOptions {
  /** The folder of the routes. */
  routes?: string
  /** A further folder of jobs, besides those of the engine and of the routes. */
  jobs?: string
  /** Whether requests that arrive together share statements; they do when left out. */
  batches?: boolean
  /** The target of log lines; standard output when left out. */
  log?: Pick<Writable, 'write'>
  /** Called for each route while it is added. */
  onRoute?: (route: RouteOptions) => void
}

/** Builds the whole application, without listening: the server and the tests share it. */
export async function buildApp(
  config: Config,
  { routes = folder('routes'), jobs, batches = true, log = process.stdout, onRoute }: AppOptions = {}
): Promise<FastifyInstance> {
  const nextId = requestIds()
  const origins = parseOrigins(config.CORS_ORIGINS)
  const app = Fastify({
    logger: { level: config.LOG_LEVEL, serializers: { err: describeForLog }, stream: log as Writable },
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: (request) => givenId(request) ?? nextId(),
    trustProxy: config.TRUST_PROXY === '' ? false : config.TRUST_PROXY.split(','),
    bodyLimit: BODY_LIMIT,
    // Migrations run while the application starts, and may take long.
    pluginTimeout: 0,
    // Fastify's default for the first is off; together they end connections of slow or silent clients.
    requestTimeout: 30_000,
    keepAliveTimeout: config.KEEP_ALIVE_TIMEOUT_MS,
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 2_000, requireHostHeader: false },
    clientErrorHandler: (error, socket): void => answerClientError(error, socket as Socket, nextId(), origins, app.log),
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    frameworkErrors: refuseUrl,
    routerOptions: { maxParamLength: 200, querystringParser: parseQuery },
    schemaController: {
      compilersFactory: {
        // The types are those of Ajv's own compiler; Fastify calls any function that returns true or an error.
        buildValidator: (() =>
          ({ schema, httpPart }: CompiledPart) =>
            compileValidator(schema, httpPart)) as never,
        buildSerializer: (() =>
          ({ schema }: { schema: object }) =>
            compileSerializer(schema)) as never
      }
    }
  })
  app.decorate('config', config)
  app.decorate('batches', batches)
  app.decorate('logLines', new Lines(log))
  app.decorate('jobFolders', [folder('src'), routes, ...(jobs ? [jobs] : [])])

  if (onRoute) app.addHook('onRoute', onRoute)
  app.register(autoload, { dir: folder('plugins'), forceESM: true })
  app.register(autoload, { dir: routes, forceESM: true, ignorePattern: /\.(job|test)\.ts$/ })
  try {
    await app.ready()
    return app
  } catch (error) {
    // The database may be open already, and would keep its directory locked.
    await app.close()
    throw error
  }
}

const folder = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))

interface CompiledPart {
  schema: Record<string, unknown>
  httpPart: HttpPart
}

// A client's own id is kept when it is harmless in a header and a log.
function givenId({ headers }: RawRequestDefaultExpression): string | undefined {
  const given = headers['x-request-id']
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : undefined
}

// Unique without a random number per request: a random name for the process, and a counter.
function requestIds(): () => string {
  const process = randomBytes(6).toString('hex')
  let count = 0
  return () => {
    count += 1
    return `req-${process}-${count.toString(36)}`
  }
}
