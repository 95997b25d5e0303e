/**
 * When the n-th request of an open model is due, in ms from the start. The rate grows evenly over the ramp: after `t` of it
 * `rate × t² / (2 × ramp)` requests are due.
 */
export function dueMs(n: number, perMs: number, rampMs: number): number {
  const inRamp = (perMs * rampMs) / 2
  return n < inRamp ? Math.sqrt((2 * rampMs * n) / perMs) : rampMs / 2 + n / perMs
}
