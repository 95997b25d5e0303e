import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Sql } from 'postgres'

/** The server under load has a core of its own; everything else is on the other, but for scripts that start servers. */
export type Core = 'server' | 'rest' | 'any'

const CORE_NUMBERS: Record<Core, string> = { server: '0', rest: '1', any: '0,1' }

/** Whether processes are pinned to cores here. */
export const isPinned = findProgram('taskset') !== undefined && availableParallelism() > 1

const children = new Set<ChildProcess>()

/** The path of a program on PATH, or where Debian keeps PostgreSQL's; the newest version when there are several. */
export function findProgram(name: string): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...(process.env.PATH ?? '').split(':'), ...versions.map((version) => join(debian, version, 'bin'))]
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** Starts a program on one of the two cores. It is ended with the benchmark at the latest. */
export function start(core: Core, file: string, args: string[], options: SpawnOptions = {}): ChildProcess {
  const [program, ...rest] = isPinned ? ['taskset', '-c', CORE_NUMBERS[core], file, ...args] : [file, ...args]
  const child = spawn(program as string, rest, options)
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/**
 * Runs a program to its end.
 * @returns what it wrote to standard output.
 * @throws Error with what it wrote to standard error, when it fails or takes longer than `timeoutMs`.
 */
export async function run(
  core: Core,
  file: string,
  args: string[],
  timeoutMs: number,
  env: NodeJS.ProcessEnv = process.env
): Promise<string> {
  const child = start(core, file, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
  const texts = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text) => (texts.stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text) => (texts.stderr += text))
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  const [code, signal] = await once(child, 'close')
  clearTimeout(timer)
  if (code !== 0) throw new Error(`${file} ended with ${code ?? signal}: ${texts.stderr || texts.stdout}`)
  return texts.stdout
}

/** Ends a process, by force when it does not go within five seconds. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
  await exited
  clearTimeout(timer)
}

/** Ends everything that was started here and still runs, except the one given. */
export async function endAll(except?: ChildProcess): Promise<void> {
  await Promise.all([...children].filter((child) => child !== except).map((child) => end(child)))
}

/** Moves the benchmark itself, and what it starts from here on, to the core of the rest. */
export function pinSelf(): void {
  if (isPinned) execFileSync('taskset', ['-acp', CORE_NUMBERS.rest, String(process.pid)], { stdio: 'ignore' })
}

/** Processor time that a process has used so far; undefined where there is no /proc. */
export function cpuSeconds(pid: number): number | undefined {
  const fields = statOf(pid)
  return fields && (Number(fields[11]) + Number(fields[12])) / 100
}

/** What proc(5) tells of a process from its third field on; undefined where there is none. Times are in ticks of 10 ms. */
function statOf(pid: number | string): string[] | undefined {
  try {
    // The second field is the name, in parentheses, and may hold spaces.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')
  } catch {
    return undefined
  }
}

/**
 * Processor time that the processes of a database server have used so far, those included that have ended; undefined where
 * they are not of this machine.
 */
export async function databaseCpuSeconds({ sql }: { sql: Sql }): Promise<number | undefined> {
  const [row] = await sql`select pg_backend_pid() as pid`
  const parent = statOf(row?.pid)?.[1]
  if (parent === undefined) return undefined
  const ended = statOf(parent) as string[]
  const own = readdirSync('/proc').map((name) => (/^\d+$/.test(name) ? statOf(name) : undefined))
  const ticks = own
    .filter((fields) => fields?.[1] === parent)
    .map((fields) => Number(fields?.[11]) + Number(fields?.[12]))
  return (ticks.reduce((sum, each) => sum + each, 0) + Number(ended[13]) + Number(ended[14])) / 100
}

/** Resident memory of a process in MB; undefined where there is no /proc. */
export function memoryMb(pid: number): number | undefined {
  const path = `/proc/${pid}/status`
  if (!existsSync(path)) return undefined
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(path, 'utf8'))?.[1]) / 1024
}

/** Gives a port that is free at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}
