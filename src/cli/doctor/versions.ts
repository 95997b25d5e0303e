import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Finding, findingOf } from './finding.ts'

/** The least version of PostgreSQL that the tests run on. */
const POSTGRES = 15

interface About {
  engines: { node: string }
  dependencies: Record<string, string>
}

/**
 * What is older than it may be: Node, PostgreSQL, packages.
 * @param project the folder with `package.json` and `node_modules`.
 */
export function oldVersions(project: string, node: string, postgres: string): Finding[] {
  const found = findingOf('versions')
  const about: About = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'))
  const findings: Finding[] = []
  const least = about.engines.node.replace(/^\D+/, '')
  if (isOlder(node, least))
    findings.push(found(`Node ${node} is older than ${least}`, 'run it by npx tenon and npm start'))
  if (isOlder(postgres, String(POSTGRES)))
    findings.push(found(`PostgreSQL ${postgres} is older than ${POSTGRES}`, 'take a newer one'))
  for (const [name, wanted] of Object.entries(about.dependencies)) {
    const there = installed(project, name)
    if (there === undefined) findings.push(found(`${name} is not installed`, 'npm ci'))
    else if (isOlder(there, wanted)) findings.push(found(`${name} ${there} is older than ${wanted}`, 'npm ci'))
  }
  return findings
}

function installed(project: string, name: string): string | undefined {
  try {
    return JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8')).version
  } catch {
    return undefined
  }
}

function isOlder(version: string, floor: string): boolean {
  const [ours, least] = [version, floor].map((text) => text.replace(/^\D+/, '').split('.').map(Number.parseFloat))
  for (const [place, number] of (least as number[]).entries()) {
    const own = (ours as number[])[place] ?? 0
    if (own !== number) return own < number
  }
  return false
}
