import { type MakeCommand, runCommand } from '#src/cli/frame.ts'

/** Runs a command in this process. @returns whether it found nothing wrong, and what it wrote. */
export async function tryCommand(make: MakeCommand, args: string[], env: NodeJS.ProcessEnv = {}) {
  const [said, complaints, progress]: string[][] = [[], [], []]
  const output = {
    say: (line: string) => void said?.push(line),
    complain: (line: string) => void complaints?.push(line),
    progress: (line: string) => void progress?.push(line)
  }
  const isSound = await runCommand(make, args, { env, output })
  return {
    isSound,
    said: said?.join('\n') as string,
    complaints: complaints as string[],
    progress: progress as string[]
  }
}
