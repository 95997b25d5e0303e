import type fc from 'fast-check'
import type { Scene } from '../scene.ts'
import type { Session } from '../session.ts'

/** Something that is tried with many inputs: of one operation, or of one resource. */
export interface Check<Input = unknown> {
  /** With the subject, a name that a replay finds it by. */
  name: string
  subject: string
  /** Its share of the cases, beside that of the others. */
  weight: number
  inputs: fc.Arbitrary<Input>
  /** @throws Fault when the server breaks a promise. */
  run(scene: Scene, input: Input): Promise<void>
}

/** Finds what of one kind can be tried on a server. */
export type CheckMaker = (session: Session) => Check[]

/** Hides the type of a check's inputs: they come back to it as it made them. */
export function check<Input>(one: Check<Input>): Check {
  return { ...one, inputs: one.inputs, run: (scene, input) => one.run(scene, input as Input) }
}
