import { isIP, SocketAddress } from 'node:net'

/**
 * The one spelling of an address that is stored and compared: without a port, which some proxies send, and an IPv4
 * address in its own notation even from an IPv6 socket. Undefined for what is no address.
 */
export function addressOf(text: string): string | undefined {
  const bare = withoutPort(text.trim()).replace(/%.*$/, '')
  const version = isIP(bare)
  if (version !== 6) return version === 4 ? bare : undefined
  const { address } = new SocketAddress({ address: bare, family: 'ipv6' })
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/**
 * The key that attempts are counted by: an IPv4 address, or the /64 of an IPv6 address, which one client has as a
 * whole. All texts that are no address count as one client.
 */
export function networkOf(text: string): string {
  const address = addressOf(text)
  if (address === undefined) return 'unknown'
  if (!address.includes(':')) return address
  const [head = [], tail = []] = address.split('::').map((half) => half.split(':').filter(Boolean))
  const missing = address.includes('::') ? 8 - head.length - tail.length : 0
  return `${[...head, ...new Array(missing).fill('0'), ...tail].slice(0, 4).join(':')}::/64`
}

const withoutPort = (text: string) => /^\[(.*)\](:\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
