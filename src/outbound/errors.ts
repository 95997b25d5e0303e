/** Why a call had no answer. */
export type OutboundFault =
  /** The URL or the address behind its name may not be called. */
  | 'forbidden'
  /** The host failed several times in a row, and is left alone for a moment. Nothing was sent. */
  | 'open'
  /** Too many calls to the host wait already. Nothing was sent. */
  | 'busy'
  | 'timeout'
  /** The connection could not be made, or was cut. */
  | 'connection'
  | 'too_large'

/** A call without an answer. The message names the host and has no part of the URL's path, which may be secret. */
export class OutboundError extends Error {
  override name = 'OutboundError'
  readonly fault: OutboundFault

  constructor(fault: OutboundFault, message: string, options?: ErrorOptions) {
    super(message, options)
    this.fault = fault
  }
}

export const timedOut = (host: string, cause?: unknown): OutboundError =>
  new OutboundError('timeout', `${host} did not answer in time.`, { cause })

/** What an aborted call throws: the reason of its signal, or that its time is over. */
export const reasonOf = ({ reason }: AbortSignal, host: string): unknown =>
  (reason as Error).name === 'TimeoutError' ? timedOut(host) : reason
