import { type ChildProcess, execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { end, findProgram, freePort, start } from '../throughput/processes.ts'
import { ROOT } from '../throughput/servers.ts'

const START_MS = 10_000

/** A HAProxy of our own before instances, with the configuration of `deploy/`. */
export class HaProxy {
  readonly url: string
  readonly #child: ChildProcess

  private constructor(url: string, child: ChildProcess) {
    this.url = url
    this.#child = child
  }

  /**
   * Opens it before instances, by their ports.
   * @throws Error when it refuses its configuration, or reaches no instance.
   */
  static async open(folder: string, ports: number[]): Promise<HaProxy> {
    const program = findProgram('haproxy') as string
    const port = await freePort()
    const file = join(folder, `haproxy-${port}.cfg`)
    writeFileSync(file, configurationFor(port, ports))
    execFileSync(program, ['-c', '-q', '-f', file], { stdio: 'pipe' })
    const child = start('rest', program, ['-db', '-f', file], { stdio: 'ignore' })
    const proxy = new HaProxy(`http://127.0.0.1:${port}`, child)
    const lastAt = performance.now() + START_MS
    while (performance.now() < lastAt) {
      const answer = await fetch(`${proxy.url}/readyz`).catch(() => undefined)
      await answer?.arrayBuffer()
      if (answer?.ok) return proxy
      await sleep(50)
    }
    throw new Error('the HAProxy of the trial did not start')
  }

  async kill(): Promise<void> {
    await end(this.#child, 'SIGKILL')
  }
}

// What is written for containers, but for where things are: a port of this machine, no names to look up.
function configurationFor(port: number, ports: number[]): string {
  const servers = ports.map((one, index) => `    server tenon-${index + 1} 127.0.0.1:${one}`).join('\n')
  return replaced(
    [
      ['bind :8080', `bind 127.0.0.1:${port}`],
      [/^resolvers docker\n( .*\n)+/m, ''],
      [' resolvers docker init-addr none', ''],
      [/^( +server tenon-.*\n?)+/m, `${servers}\n`]
    ],
    readFileSync(join(ROOT, 'deploy/haproxy.cfg'), 'utf8')
  )
}

function replaced(changes: [from: string | RegExp, to: string][], text: string): string {
  return changes.reduce((before, [from, to]) => {
    const after = before.replace(from, to)
    if (after === before) throw new Error(`deploy/haproxy.cfg has no ${from}`)
    return after
  }, text)
}
