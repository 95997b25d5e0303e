import { contains, type Network, parseNetwork } from '../schema/networks.ts'

// What IANA's special-purpose registries take from the public IPv4 addresses, and the address at which machines in Azure
// reach its metadata.
const FORBIDDEN = networks(`
  0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24
  192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16
  2001::/23 2001:db8::/32 2002::/16 3fff::/20`)

// All other IPv6 addresses are local, translate to IPv4 (64:ff9b::/96, ::ffff:0:0/96) or are not given away.
const PUBLIC_IPV6 = parseNetwork('2000::/3') as Network

function networks(text: string): Network[] {
  return text.trim().split(/\s+/).map(parseNetwork) as Network[]
}

/** The networks of a comma-separated setting. */
export const parseNetworks = (text: string): Network[] => (text === '' ? [] : networks(text.replaceAll(',', ' ')))

/**
 * Whether a guarded call may connect to an address: it is a public one, or it is allowed.
 * @param address as the resolver gives it; one with a zone (`fe80::1%eth0`) is none.
 */
export function isPermitted(address: string, allowed: readonly Network[]): boolean {
  const one = parseNetwork(address)
  if (!one) return false
  if (allowed.some((network) => contains(network, one))) return true
  if (one.bits === 128 && !contains(PUBLIC_IPV6, one)) return false
  return !FORBIDDEN.some((network) => contains(network, one))
}
