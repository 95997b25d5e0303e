import type { Difference } from './document.ts'

/**
 * The lowest version that differences need (semver): the next major for a breaking one, the next minor for any other.
 * Before 1.0.0 the minor stands for the major, and the patch for the minor.
 */
export function neededVersion(released: string, differences: Difference[]): string {
  const [major, minor, patch] = parse(released)
  if (differences.length === 0) return released
  const isBreaking = differences.some((one) => one.isBreaking)
  if (major === 0) return isBreaking ? `0.${minor + 1}.0` : `0.${minor}.${patch + 1}`
  return isBreaking ? `${major + 1}.0.0` : `${major}.${minor + 1}.0`
}

/** Whether a version is at least another. */
export function isAtLeast(version: string, other: string): boolean {
  const [left, right] = [parse(version), parse(other)]
  const index = left.findIndex((part, place) => part !== right[place])
  return index === -1 || (left[index] as number) > (right[index] as number)
}

function parse(version: string): [major: number, minor: number, patch: number] {
  const [major = 0, minor = 0, patch = 0] = (version.split('-')[0] as string).split('.').map(Number)
  return [major, minor, patch]
}
