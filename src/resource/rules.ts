import { type Fault, validationFailed } from '../errors.ts'
import type { Resource } from './model.ts'

/**
 * Gives the faults of a body against the rules between its fields. The rules see it after validation, with defaults.
 */
export function ruleFaults({ declaration }: Resource, body: unknown): Fault[] {
  const broken = (declaration.rules ?? []).filter(({ check }) => !check(body as never))
  return broken.map(({ path, code, message }) => ({ in: 'body', path, code, message }))
}

/** @throws ApiError VALIDATION_FAILED naming every rule that a whole body breaks. */
export function assertRules(resource: Resource, body: unknown): void {
  const faults = ruleFaults(resource, body)
  if (faults.length > 0) throw validationFailed(faults)
}

/** A row, as it was read, with a patch merged into it (RFC 7396): what its rules are checked on. */
export function mergePatch(row: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const merged: Record<string, unknown> = isObject(row) ? { ...row } : {}
  for (const [name, value] of Object.entries(patch)) merged[name] = mergePatch(merged[name], value)
  return merged
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
