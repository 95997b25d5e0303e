import { parseArgs } from 'node:util'

/** What the command line asks for. */
export interface Options {
  /** Names of workloads; undefined for all. */
  only: string[] | undefined
  /** Names of servers beside Tenon; undefined for all that can run here. */
  servers: string[] | undefined
  rounds: number
  seconds: number
  warmUpSeconds: number
  connections: number
  /** Rows of the table that most workloads use, and of the small and the large one. */
  rows: number
  smallRows: number
  largeRows: number
  /** Rows that the bulk, import and COPY measurements write. */
  writtenRows: number
  generator: 'wrk' | 'load' | undefined
  /** Another checkout of Tenon, measured as a peer. */
  also: string | undefined
  /** More environment for Tenon. */
  env: Record<string, string>
  html: string | undefined
  json: string | undefined
  isHelp: boolean
}

/** The options, for a person. */
export const USAGE = `npm run bench -- [options]
  --only <a,b>       workloads to run: see the table in bench/README.md
  --servers <a,b>    peers to run beside Tenon: fastify, express, hono, node-http, elysia, pgbench
  --rounds <n>       interleaved rounds, of which the median counts (3)
  --seconds <n>      length of one measurement (5); --warm-up <n> of what precedes the first (2)
  --connections <n>  of the load generator (64)
  --quick            2 rounds of 2 seconds, and a tenth of the rows
  --rows <n>         products (100,000); --large-rows <n> of the large table (1,000,000)
  --generator <g>    wrk or load (that of tenon load); by default wrk where it is installed
  --also <folder>    another checkout of Tenon, measured as a peer: before and after in one run
  --env <NAME=text>  more environment for Tenon; may be repeated
  --html <file>      writes a report with plots; --json <file> writes every sample
With DATABASE_URL it uses that server, in a database of its own; otherwise it starts a PostgreSQL of its own.`

/**
 * Reads the command line.
 * @throws Error with one line for a person.
 */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      servers: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string' },
      connections: { type: 'string' },
      rows: { type: 'string' },
      'large-rows': { type: 'string' },
      quick: { type: 'boolean', default: false },
      generator: { type: 'string' },
      also: { type: 'string' },
      env: { type: 'string', multiple: true, default: [] },
      html: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false }
    }
  })
  const { quick, generator } = values
  if (generator !== undefined && generator !== 'wrk' && generator !== 'load') {
    throw new Error('--generator is wrk or load')
  }
  const number = (
    name: 'rounds' | 'seconds' | 'warm-up' | 'connections' | 'rows' | 'large-rows',
    otherwise: number
  ) => {
    const value = Number(values[name]?.replaceAll(',', '') ?? otherwise)
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} is a whole number of at least 1`)
    return value
  }
  return {
    only: values.only?.split(','),
    servers: values.servers?.split(','),
    rounds: number('rounds', quick ? 2 : 3),
    seconds: number('seconds', quick ? 2 : 5),
    warmUpSeconds: number('warm-up', quick ? 1 : 2),
    connections: number('connections', 64),
    rows: number('rows', quick ? 10_000 : 100_000),
    smallRows: quick ? 1_000 : 10_000,
    largeRows: number('large-rows', quick ? 100_000 : 1_000_000),
    writtenRows: quick ? 5_000 : 50_000,
    generator,
    also: values.also,
    env: Object.fromEntries(values.env.map((one) => [one.split('=')[0] as string, one.slice(one.indexOf('=') + 1)])),
    html: values.html,
    json: values.json,
    isHelp: values.help
  }
}
