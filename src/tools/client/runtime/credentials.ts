import { call } from './call.ts'
import type { Client, Credential } from './client.ts'
import { ApiError } from './errors.ts'
import { unlessAborted } from './retry.ts'

/** A service calls with its own key: `tn_live_…`. */
export function apiKey(key: string): Credential {
  return { headers: async () => ({ 'x-api-key': key }) }
}

/** A token that is had elsewhere, as from an issuer that the server trusts. It is asked for before each request. */
export function bearer(token: string | (() => string | Promise<string>)): Credential {
  return { headers: async () => authorization(typeof token === 'string' ? token : await token()) }
}

/** The tokens of a login, to go on with it later. */
export interface Tokens {
  accessToken: string
  /** Good for one use. */
  refreshToken: string
  /** When to ask for new ones, by the clock of this machine, in milliseconds. */
  renewAt: number
}

/** How a user logs in, or goes on with a login. */
export interface LoginOptions {
  email?: string | undefined
  password?: string | undefined
  /** Asked for a code of the second factor, where the user has one. */
  secondFactor?: (() => string | Promise<string>) | undefined
  /** Those of an earlier login. */
  tokens?: Tokens | undefined
  /** Told the tokens whenever there are new ones, to keep them; undefined when the login has ended. */
  onTokens?: ((tokens: Tokens | undefined) => void | Promise<void>) | undefined
}

/** A login that renews itself. */
export interface LoginCredential extends Credential {
  /** Ends it on the server, and forgets its tokens. */
  logout(client: Client): Promise<void>
}

// So that a request does not arrive with a token that has expired on its way.
const MAX_MARGIN_MS = 30_000

/**
 * A user logs in at the first call that needs it. Tokens are renewed half a minute before they expire, and when one is refused;
 * calls that need new ones at the same time wait for the same request. A login that has ended begins anew if there is a password.
 */
export function login(options: LoginOptions): LoginCredential {
  let { tokens } = options
  let renewing: Promise<Tokens> | undefined

  async function keep(found: Tokens | undefined): Promise<void> {
    tokens = found
    await options.onTokens?.(found)
  }

  async function ask(client: Client, path: string, body: object): Promise<Tokens> {
    // With a key of its own: a lost answer is given again, where a second use of a refresh token would end the login.
    const operation = { method: 'POST', path: `/api/v1/auth/${path}`, body, isKeyed: true } as const
    const { accessToken, refreshToken, expiresIn } = await call<{
      accessToken: string
      refreshToken: string
      expiresIn: number
    }>(client, { ...operation, credential: 'none' })
    const lifetimeMs = expiresIn * 1000
    const renewAt = Date.now() + lifetimeMs - Math.min(MAX_MARGIN_MS, lifetimeMs / 10)
    const found = { accessToken, refreshToken, renewAt }
    await keep(found)
    return found
  }

  async function start(client: Client): Promise<Tokens> {
    const { email, password, secondFactor } = options
    try {
      return await ask(client, 'login', { email, password })
    } catch (error) {
      if (!secondFactor || !(error instanceof ApiError) || error.code !== 'SECOND_FACTOR_REQUIRED') throw error
      const { challenge } = error.details
      return ask(client, 'login/second-factor', { challenge, code: await secondFactor() })
    }
  }

  async function refresh(client: Client, { refreshToken }: Tokens): Promise<Tokens> {
    try {
      return await ask(client, 'refresh', { refreshToken })
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error
      await keep(undefined)
      if (options.password === undefined) throw error
      return start(client)
    }
  }

  function renew(client: Client): Promise<Tokens> {
    renewing ??= (tokens ? refresh(client, tokens) : start(client)).finally(() => {
      renewing = undefined
    })
    return renewing
  }

  return {
    async headers(client, atHand, signal) {
      if (tokens && (atHand || Date.now() < tokens.renewAt)) return authorization(tokens.accessToken)
      if (atHand) return {}
      return authorization((await unlessAborted(renew(client), signal)).accessToken)
    },
    async renew(client, { authorization: refused }, signal) {
      // Another call may have renewed it meanwhile.
      if (tokens && authorization(tokens.accessToken).authorization !== refused) return true
      await unlessAborted(renew(client), signal)
      return true
    },
    async logout(client) {
      const { refreshToken } = tokens ?? {}
      await keep(undefined)
      const operation = { method: 'POST', path: '/api/v1/auth/logout', body: { refreshToken }, isKeyed: true } as const
      if (refreshToken !== undefined) await call(client, { ...operation, credential: 'none' })
    }
  }
}

const authorization = (token: string) => ({ authorization: `Bearer ${token}` })
