/** Where a command writes, and whether a person is looking. */
export interface Output {
  /** A line of the result. */
  say(line: string): void
  /** A line about what went wrong. */
  complain(line: string): void
  /** A line of progress that the next one replaces; nothing where no person is looking. */
  progress(line: string): void
}

/** Writes results to one stream, and progress to another if that is a terminal. */
export function outputTo(result: NodeJS.WritableStream, terminal: NodeJS.WritableStream & { isTTY?: boolean }): Output {
  return {
    say: (line) => void result.write(`${line}\n`),
    complain: (line) => void terminal.write(`tenon: ${line}\n`),
    progress(line) {
      if (terminal.isTTY) terminal.write(`\r\u001b[K${line}`)
    }
  }
}
