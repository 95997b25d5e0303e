/** Something that is wrong, or soon will be. */
export interface Finding {
  /** The check that found it. */
  check: string
  problem: string
  /** What to do: a setting, a command or a statement. */
  advice: string
}

/** Makes the findings of one check. */
export const findingOf =
  (check: string) =>
  (problem: string, advice: string): Finding => ({ check, problem, advice })
