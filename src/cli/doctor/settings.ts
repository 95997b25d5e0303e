import type { Config } from '../../config.ts'
import { passwordFault } from '../../identity/passwords/policy.ts'
import { type Finding, findingOf } from './finding.ts'

type Given = Config & { env: NodeJS.ProcessEnv; instances: number }

const isLocal = (host: string) => /^(localhost|127\..*|\[?::1\]?)$/.test(host)
const MIN_DISTINCT = 8

/** Secrets that can be guessed. What is no secret at all stops the start, and is told by that. */
export function weakSecrets({ METRICS_TOKEN, DATABASE_URL, REDIS_URL, NODE_ENV }: Config): Finding[] {
  const found = findingOf('secrets')
  const findings: Finding[] = []
  if (METRICS_TOKEN !== undefined && isGuessable(METRICS_TOKEN))
    findings.push(found('METRICS_TOKEN can be guessed', 'take the output of: openssl rand -base64 32'))
  for (const [name, text] of [
    ['DATABASE_URL', DATABASE_URL],
    ['REDIS_URL', REDIS_URL]
  ] as const) {
    const url = text !== undefined && URL.canParse(text) ? new URL(text) : undefined
    if (NODE_ENV !== 'production' || !url || url.hostname === '' || isLocal(url.hostname)) continue
    const password = decodeURIComponent(url.password)
    if (password === '') findings.push(found(`${name} names another machine, and has no password`, 'give its role one'))
    else if (isGuessable(password))
      findings.push(found(`the password in ${name} can be guessed`, 'give its role another'))
  }
  return findings
}

const isGuessable = (secret: string) => passwordFault(secret) !== undefined || new Set(secret).size < MIN_DISTINCT

// Pairs of settings of which one has no effect beside the other, or does harm.
const CONTRADICTIONS: [isThere: (given: Given) => boolean, problem: string, advice: string][] = [
  [
    ({ JOBS, DATABASE_URL }) => JOBS === 'off' && !DATABASE_URL,
    'JOBS=off with the embedded database: no process can run the jobs',
    'set JOBS=on'
  ],
  [
    ({ WORKERS, instances, REDIS_URL, RATE_LIMIT_ENABLED }) =>
      RATE_LIMIT_ENABLED && !REDIS_URL && WORKERS * instances > 1,
    'several processes without REDIS_URL: each counts rate limits by itself',
    'set REDIS_URL'
  ],
  [
    ({ instances, DATABASE_URL }) => instances > 1 && !DATABASE_URL,
    'several instances with the embedded database: each would have its own data',
    'set DATABASE_URL'
  ],
  [
    ({ instances, env }) => instances > 1 && !env.JWT_ISSUER,
    'several instances without JWT_ISSUER: none takes the tokens of another',
    'set JWT_ISSUER to their common address'
  ],
  [
    ({ NODE_ENV, env }) => NODE_ENV === 'production' && !env.JWT_ISSUER,
    'NODE_ENV=production without JWT_ISSUER: tokens and links in mails name this machine',
    'set JWT_ISSUER to the address that callers use'
  ],
  [
    ({ RATE_LIMIT_ENABLED, RATE_LIMIT_TIERS, REDIS_URL }) =>
      !RATE_LIMIT_ENABLED && Boolean(RATE_LIMIT_TIERS || REDIS_URL),
    'RATE_LIMIT_ENABLED=false beside RATE_LIMIT_TIERS or REDIS_URL: they have no effect',
    'set RATE_LIMIT_ENABLED=true, or leave them out'
  ],
  [
    ({ MAIL_URL, env }) => !MAIL_URL && Boolean(env.MAIL_FROM || env.MAIL_LINK_URL),
    'MAIL_FROM or MAIL_LINK_URL without MAIL_URL: no mail is sent',
    'set MAIL_URL, or leave them out'
  ],
  [
    ({ REGISTRATION, MAIL_URL }) => REGISTRATION === 'open' && !MAIL_URL,
    'REGISTRATION=open without MAIL_URL: a lost password cannot be reset',
    'set MAIL_URL'
  ],
  [
    ({ NODE_ENV, LOG_LEVEL }) => NODE_ENV === 'production' && LOG_LEVEL === 'silent',
    'NODE_ENV=production with LOG_LEVEL=silent: nothing tells what fails',
    'set LOG_LEVEL=info'
  ]
]

/** Settings that contradict each other. */
export function contradictions(given: Given): Finding[] {
  const found = findingOf('settings')
  return CONTRADICTIONS.filter(([isThere]) => isThere(given)).map(([, problem, advice]) => found(problem, advice))
}
