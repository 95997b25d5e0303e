/** What the caller of a tool got wrong: a command prints its message and ends with exit code 2. */
export class MisuseError extends Error {
  override name = 'MisuseError'
}
