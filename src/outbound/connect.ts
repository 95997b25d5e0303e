import { Resolver } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import type { Network } from '../schema/networks.ts'
import { isPermitted } from './addresses.ts'
import { OutboundError } from './errors.ts'

/** Finds the addresses of a name. */
export type Resolve = (name: string) => Promise<string[]>

type Connector = ReturnType<typeof buildConnector>

const ALPN = { allowH2: false }

/** Connects to whatever a URL names. @param timeout in milliseconds, the search for the address included. */
export const connectAnywhere = (timeout: number): Connector => buildConnector({ ...ALPN, timeout })

/**
 * Connects to permitted addresses only. The check is here, and not before the call, because a name can have another
 * address a moment later: the address that was checked is the one that is connected to.
 */
export function connectGuarded(timeout: number, allowed: readonly Network[], resolve: Resolve): Connector {
  const lookup: LookupFunction = (name, _options, done) => {
    find(name).then(
      (found) => done(null, found),
      (error) => done(error, [])
    )
  }
  const connect = buildConnector({ ...ALPN, timeout, lookup, autoSelectFamily: true })
  return (options, done) => {
    // An address is connected to without a lookup.
    if (isIP(options.hostname) && !isPermitted(options.hostname, allowed))
      return done(forbidden(options.hostname), null)
    connect(options, done)
  }

  async function find(name: string) {
    // The name of this machine is known without a resolver (RFC 6761). Of its two addresses one may be allowed.
    const found = isLocal(name)
      ? ['127.0.0.1', '::1'].filter((address) => isPermitted(address, allowed))
      : await resolve(name)
    if (found.length === 0 || !found.every((address) => isPermitted(address, allowed))) throw forbidden(name)
    return found.map((address) => ({ address, family: isIP(address) }))
  }
}

const isLocal = (name: string) => /(^|\.)localhost\.?$/.test(name)

const forbidden = (host: string) => new OutboundError('forbidden', `${host} is no address that may be called.`)

/**
 * Asks the name servers. `dns.lookup` would take one of the four threads that password hashing and files need, for as long
 * as a name server of the caller's choice is silent.
 * @param servers other name servers than those of the system.
 */
export function resolver(servers?: string[]): Resolve {
  const dns = new Resolver({ timeout: 1000, tries: 2 })
  if (servers) dns.setServers(servers)
  return async (name) => {
    const answers = await Promise.allSettled([dns.resolve4(name), dns.resolve6(name)])
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (found.length === 0) throw new OutboundError('connection', `${name} has no address.`)
    return found
  }
}
