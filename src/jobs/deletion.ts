import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { defineJob } from './job.ts'

// A statement that deletes them all would hold its locks for as long as it takes.
const BATCH = 5000

/** Rows that are not needed any more. */
interface Deletion {
  /** Of the job, unique among all jobs. */
  name: string
  /** When it runs: five fields, in UTC. Once a night, so that a database that is idle else can sleep. */
  cron: string
  /** Deletes some of them, at most `batch`. @returns how many; fewer than `batch` when no others are left. */
  deleteBatch: (app: FastifyInstance, batch: number) => Promise<number>
}

const Input = Type.Object({ batch: Type.Integer({ minimum: 1, default: BATCH }) }, { additionalProperties: false })

/** Declares a job that deletes rows at night, a batch at a time. Its result is `{ deleted }`, their number. */
export const defineDeletion = ({ name, cron, deleteBatch }: Deletion) =>
  defineJob({
    name,
    input: Input,
    schedule: { cron, input: { batch: BATCH } },
    timeoutSeconds: 3600,
    async handle(app, { batch }, { signal, progress }) {
      let [deleted, count] = [0, batch]
      while (count >= batch) {
        signal.throwIfAborted()
        count = await deleteBatch(app, batch)
        deleted += count
        await progress(deleted)
      }
      return { deleted }
    }
  })
