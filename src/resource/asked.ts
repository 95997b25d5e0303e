import type { FastifyRequest } from 'fastify'

/** What an operation reads of its request. It can be kept, for an operation that is done later by a job. */
export type Asked = Pick<FastifyRequest, 'id' | 'principal' | 'query' | 'body' | 'headers'>
