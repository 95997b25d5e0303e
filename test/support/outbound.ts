import { OutboundError, type OutboundFault } from '#src/outbound/errors.ts'

/** Why a call had no answer; undefined when it had one. */
export function faultOf(call: Promise<unknown>): Promise<OutboundFault | undefined> {
  return call.then(
    () => undefined,
    (error) => {
      if (error instanceof OutboundError) return error.fault
      throw error
    }
  )
}
