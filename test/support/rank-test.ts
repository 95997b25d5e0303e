/** The middle value of a sample. */
export const median = (sample: number[]) => sample.toSorted((a, b) => a - b)[sample.length >> 1] as number

/**
 * The two-sided p of the Mann-Whitney U test, by its normal approximation: how likely samples of one distribution differ
 * as much in their ranks. Times have no ties worth a correction.
 */
export function rankTest(one: number[], two: number[]): number {
  const ranked = [...one.map((value) => ({ value, isOne: true })), ...two.map((value) => ({ value, isOne: false }))]
  ranked.sort((a, b) => a.value - b.value)
  let ranksOfOne = 0
  for (const [index, { isOne }] of ranked.entries()) if (isOne) ranksOfOne += index + 1
  const product = one.length * two.length
  const u = ranksOfOne - (one.length * (one.length + 1)) / 2
  const deviation = Math.sqrt((product * (one.length + two.length + 1)) / 12)
  return 2 * (1 - normal(Math.abs(u - product / 2) / deviation))
}

// The normal distribution up to z (Abramowitz and Stegun 26.2.17, error below 7.5e-8).
function normal(z: number): number {
  const k = 1 / (1 + 0.2316419 * z)
  const tail = k * (0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))))
  return 1 - (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * tail
}
