import { isIP } from 'node:net'

/** An address or network: its family, its first address as a number, and the number of significant bits. */
export interface Network {
  bits: 32 | 128
  first: bigint
  prefix: number
}

/** Reads an address or CIDR. @returns undefined for an invalid one; `::ffff:192.0.2.1` is the IPv4 address in it. */
export function parseNetwork(text: string): Network | undefined {
  const [address, length, more] = text.split('/') as [string, string?, string?]
  const version = isIP(address)
  // An address with a zone (`fe80::1%eth0`) is valid on one machine only.
  if (version === 0 || more !== undefined || address.includes('%')) return undefined
  const bits = version === 4 ? 32 : 128
  if (length !== undefined && !(/^(0|[1-9]\d{0,2})$/.test(length) && Number(length) <= bits)) return undefined
  const prefix = length === undefined ? bits : Number(length)
  const value = version === 4 ? numberOf(address.split('.'), 10, 8n) : numberOf(groupsOf(address), 16, 16n)
  const isMapped = bits === 128 && prefix >= 96 && value >> 32n === 0xffffn
  return isMapped ? networkOf(32, value & 0xffff_ffffn, prefix - 96) : networkOf(bits, value, prefix)
}

/** Whether a text is an address or CIDR. */
export const isNetwork = (text: string): boolean => parseNetwork(text) !== undefined

/** The one spelling of a network: `010.0.0.0/8` has none, `10.1.2.3/8` is `10.0.0.0/8`, `2001:DB8::/32` is lower case. */
export function normalizeNetwork(text: string): string {
  const { bits, first, prefix } = parseNetwork(text) as Network
  const address = bits === 32 ? dotted(first) : hexadecimal(first)
  return prefix === bits ? address : `${address}/${prefix}`
}

/** Whether every address of one network is in another. */
export function contains(outer: Network, inner: Network): boolean {
  if (outer.bits !== inner.bits || outer.prefix > inner.prefix) return false
  return networkOf(outer.bits, inner.first, outer.prefix).first === outer.first
}

function networkOf(bits: 32 | 128, value: bigint, prefix: number): Network {
  const rest = BigInt(bits - prefix)
  return { bits, first: (value >> rest) << rest, prefix }
}

const numberOf = (parts: string[], radix: number, width: bigint) =>
  parts.reduce((sum, part) => (sum << width) | BigInt(Number.parseInt(part, radix)), 0n)

// The URL parser has one spelling for every IPv6 address, even with an IPv4 address inside.
function groupsOf(address: string): string[] {
  const [head, tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::') as [string, string?]
  const [left, right] = [head, tail ?? ''].map((part) => part.split(':').filter(Boolean)) as [string[], string[]]
  return [...left, ...Array(8 - left.length - right.length).fill('0'), ...right]
}

const dotted = (value: bigint) => [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.')

function hexadecimal(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
