import fc from 'fast-check'
import { MisuseError } from '../misuse.ts'
import type { Exchange } from '../openapi/client.ts'
import { isPublic } from '../openapi/credentials.ts'
import { noInput, requestOf } from '../openapi/request.ts'
import { bodies } from './checks/bodies.ts'
import type { Check } from './checks/check.ts'
import { filters } from './checks/filters.ts'
import { hidden } from './checks/hidden.ts'
import { lifecycle } from './checks/lifecycle.ts'
import { credentials, invalidInputs, validInputs } from './checks/operations.ts'
import { pages } from './checks/pages.ts'
import { curlLine, Fault, type Finding, summaryOf } from './finding.ts'
import { Scene } from './scene.ts'
import { Session, type Target } from './session.ts'

/** What a run came to. */
export interface FuzzReport {
  seed: number
  cases: number
  requests: number
  /** Requests that the server put off with 429 or 503. */
  postponed: number
  findings: Finding[]
  /** Operations that change rows without naming them, which are tried only when asked for. */
  leftOut: string[]
  /** Operations that never answered with a 2xx or 3xx: of them only the refusals were tried. */
  onlyRefused: string[]
  /** Paths of rows that could not be deleted. */
  leftBehind: string[]
}

/** How a run goes. */
export interface FuzzOptions {
  cases: number
  /** Names of checks; all of them when left out. */
  checks?: string[] | undefined
  /** Ends the run when there are so many. */
  maxFindings?: number | undefined
  /** Called after each case. */
  onCase?: (done: number, findings: number) => void
  /** Called with each finding when it is made. */
  onFinding?: (finding: Finding) => void
  /** Ends the run early; what was made until then is cleaned up. */
  signal?: AbortSignal
}

const MAX_SHRINKS = 150
const MAKERS = [validInputs, invalidInputs, bodies, credentials, lifecycle, hidden, filters, pages]

/**
 * Tries a server with many inputs, and shrinks what breaks a promise.
 * @throws MisuseError when there is nothing to try.
 */
export async function fuzz(target: Target, options: FuzzOptions): Promise<FuzzReport> {
  const session = new Session(target)
  const findings: Finding[] = []
  let done = 0
  try {
    const checks = checksOf(session, options.checks)
    await refuseWrongKey(session)
    const { maxFindings = Number.POSITIVE_INFINITY, signal } = options
    const isOver = () => signal?.aborted || findings.length >= maxFindings
    const shares = sharesOf(checks, options.cases)
    for (const [at, check] of checks.entries()) {
      let left = shares[at] as number
      // Each finding ends a pass of fast-check; the rest of the cases looks for others.
      for (let pass = 0; left > 0 && !isOver(); pass += 1) {
        const seed = (target.seed + at * 7919 + pass * 104_729) | 0
        const { finding, tried } = await tryCheck(session, check, seed, left, {
          known: findings,
          onCase: () => {
            done += 1
            options.onCase?.(done, findings.length)
          },
          signal
        })
        left -= tried
        if (!finding) break
        findings.push(finding)
        options.onFinding?.(finding)
      }
    }
    return { ...summary(session), seed: target.seed, cases: done, findings }
  } finally {
    session.client.close()
  }
}

/**
 * Sends the inputs of findings once more.
 * @returns those that still break the promise.
 * @throws MisuseError when the document has no such check any more.
 */
export async function replay(target: Target, findings: Finding[]): Promise<FuzzReport> {
  const session = new Session(target)
  try {
    const checks = checksOf(session)
    const again: Finding[] = []
    for (const finding of findings) {
      const check = checks.find(({ name, subject }) => name === finding.check && subject === finding.subject)
      if (!check) throw new MisuseError(`there is no check '${finding.check}' of '${finding.subject}' here`)
      const { fault, scene } = await runOnce(session, check, finding.input)
      if (fault) again.push({ ...finding, ...describe(session, scene, fault) })
    }
    return { ...summary(session), seed: target.seed, cases: findings.length, findings: again }
  } finally {
    session.client.close()
  }
}

// With a credential that is refused everywhere a run would find nothing, and say so.
async function refuseWrongKey(session: Session): Promise<void> {
  const { key, headers } = session.target
  const operation = session.operations.find(
    (one) => one.method === 'GET' && !isPublic(one) && !one.parameters.some(({ required }) => required)
  )
  if (key === undefined || !operation) return
  const request = requestOf(operation, noInput())
  const { answer } = await session.client.send(
    session.authorize({ ...request, headers: { ...headers, ...request.headers } }, key)
  )
  if (answer?.status === 401) throw new MisuseError(`the server refuses --key: ${request.target} is 401`)
}

function checksOf(session: Session, names?: string[]): Check[] {
  const { only = [], skip } = session.target
  const unknown = [...only, ...skip].find((id) => !session.operations.some((one) => one.id === id))
  if (unknown !== undefined) throw new MisuseError(`the document has no operation '${unknown}'`)
  const all = MAKERS.flatMap((make) => make(session))
  const checks = all.filter(({ name }) => !names || names.includes(name))
  if (checks.length === 0) throw new MisuseError('the document has no operation that can be tried')
  return checks
}

function sharesOf(checks: Check[], cases: number): number[] {
  const whole = checks.reduce((sum, { weight }) => sum + weight, 0)
  // What is left over by rounding down goes to the first ones, so that the sum is what was asked for.
  let sum = 0
  let given = 0
  return checks.map(({ weight }) => {
    sum += weight
    const upTo = Math.round((sum / whole) * cases)
    const share = upTo - given
    given = upTo
    return share
  })
}

interface Pass {
  known: Finding[]
  onCase: () => void
  signal: AbortSignal | undefined
}

async function tryCheck(session: Session, check: Check, seed: number, cases: number, { known, onCase, signal }: Pass) {
  const signatures = new Set(known.map((one) => one.signature))
  let signature: string | undefined
  let shrinks = 0
  let smallest: { fault: Fault; scene: Scene; input: unknown } | undefined
  const property = fc.asyncProperty(check.inputs, async (input) => {
    if (signature === undefined) onCase()
    else shrinks += 1
    if (shrinks > MAX_SHRINKS || signal?.aborted) return
    const { fault, scene } = await runOnce(session, check, input)
    // A smaller input may break another promise: that one is found by itself, or was found before.
    if (!fault || signatures.has(fault.signature) || (signature !== undefined && fault.signature !== signature)) return
    signature = fault.signature
    smallest = { fault, scene, input }
    throw fault
  })
  const { numRuns, counterexamplePath, errorInstance } = await fc.check(property, {
    numRuns: cases,
    seed,
    endOnFailure: false
  })
  if (errorInstance !== null && !(errorInstance instanceof Fault)) throw errorInstance
  if (!smallest) return { finding: undefined, tried: numRuns }
  const { fault, scene, input } = smallest
  const { fault: again } = await runOnce(session, check, input)
  const finding: Finding = {
    ...describe(session, scene, fault),
    check: check.name,
    subject: check.subject,
    input,
    seed,
    path: String(counterexamplePath),
    shrinks: Math.min(shrinks, MAX_SHRINKS),
    isRepeatable: again?.signature === fault.signature
  }
  return { finding, tried: numRuns }
}

/** Runs one input. @returns what it broke, if anything. @throws what is no fault of the server. */
async function runOnce(
  session: Session,
  check: Check,
  input: unknown
): Promise<{ fault: Fault | undefined; scene: Scene }> {
  const scene = new Scene(session)
  const error = await check.run(scene, input).then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  await scene.end()
  if (error === undefined || error instanceof Fault) return { fault: error, scene }
  throw error
}

function describe(session: Session, scene: Scene, fault: Fault) {
  const { document, key, otherKey } = session.target
  const secrets = new Map<string, string>()
  if (key !== undefined) secrets.set(key, 'KEY')
  if (otherKey !== undefined) secrets.set(otherKey, 'OTHER_KEY')
  const last = scene.exchanges.at(-1) as Exchange
  return {
    kind: fault.kind,
    signature: fault.signature,
    operation: fault.operation,
    message: fault.message,
    curl: scene.exchanges.map(({ request }) => curlLine(document.server, request, secrets)),
    answer: summaryOf(last)
  }
}

function summary(session: Session) {
  return {
    requests: session.client.sent,
    postponed: session.client.postponed,
    leftOut: session.leftOut.map(({ id }) => id),
    onlyRefused: [...session.statuses].flatMap(([id, seen]) =>
      [...seen.keys()].some((status) => status < 400) ? [] : [id]
    ),
    leftBehind: [...new Set(session.leftBehind)]
  }
}
