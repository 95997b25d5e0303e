/**
 * Measures several things in turn, so many times: what slows the machine down for a while slows all of them.
 * @returns the samples of each, in the order given.
 */
export async function interleave(rounds: number, measures: (() => Promise<number>)[]): Promise<number[][]> {
  const samples: number[][] = measures.map(() => [])
  for (let round = 0; round < rounds; round += 1) {
    for (const [at, measure] of measures.entries()) samples[at]?.push(await measure())
  }
  return samples
}

/** How long some work takes, in seconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}
