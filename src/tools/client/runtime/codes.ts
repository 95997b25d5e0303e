/** The codes of errors that the server may answer with. The generator writes those of the document in place of this. */
export type ErrorCode = string
