/**
 * The CPU time of a server in seconds, from its Prometheus metrics; undefined where it has none.
 * @param origin without a slash at the end.
 */
export async function cpuSecondsOf(origin: string, headers: Record<string, string>): Promise<number | undefined> {
  try {
    const response = await fetch(`${origin}/metrics`, { headers, signal: AbortSignal.timeout(5_000) })
    const text = response.ok ? await response.text() : ''
    const values = [...text.matchAll(/^process_cpu_seconds_total(?:\{[^}]*\})? ([\d.e+-]+)/gm)].map(([, value]) =>
      Number(value)
    )
    return values.length === 0 ? undefined : values.reduce((sum, one) => sum + one, 0)
  } catch {
    return undefined
  }
}
