import { isIP } from 'node:net'

/**
 * `X-Forwarded-For` with addresses alone: the port is cut off that some proxies add (`1.2.3.4:5678`, `[::1]:5678`), and what
 * stands left of something that is no address is left out. Each proxy adds at the right, so what is left of it was written
 * by what the proxies do not know: it would become the address in logs, sessions and limits.
 * @returns undefined where no address is left, so that the address of the connection counts.
 */
export function addressesOf(header: string): string | undefined {
  const addresses: string[] = []
  for (const entry of header.split(',').reverse()) {
    const address = addressOf(entry.trim())
    if (address === undefined) break
    addresses.unshift(address)
  }
  return addresses.length === 0 ? undefined : addresses.join(', ')
}

function addressOf(text: string): string | undefined {
  const bare = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(text)
  const address = bare ? (bare[1] ?? bare[2]) : text
  return address !== undefined && isIP(address) !== 0 && !address.includes('%') ? address : undefined
}
