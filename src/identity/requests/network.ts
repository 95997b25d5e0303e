import { isIP, SocketAddress } from 'node:net'

/**
 * An address in the one spelling that is stored and compared: without a port, as some proxies send it, and of IPv4 in its
 * own notation also where a socket of IPv6 names it. Undefined for what is no address.
 */
export function addressOf(text: string): string | undefined {
  const bare = withoutPort(text.trim()).replace(/%.*$/, '')
  const version = isIP(bare)
  if (version !== 6) return version === 4 ? bare : undefined
  const { address } = new SocketAddress({ address: bare, family: 'ipv6' })
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/**
 * What attempts are counted by: an address of IPv4, or the /64 of IPv6, of which one caller has all. What is no address is
 * one caller altogether.
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
