import { Type } from '@sinclair/typebox'
import { Id, Nullable, ReadOnly, Timestamp } from '#src/schema/fields.ts'
import { FaultSchema } from './problem.ts'

/** Where jobs are read. */
export const JOBS_PATH = '/api/v1/jobs'

const Progress = Type.Object(
  {
    done: Type.Integer({
      minimum: 0,
      description: 'How much is done, in rows where the job is about rows.',
      examples: [420]
    }),
    total: Nullable(
      Type.Integer({ minimum: 0, description: 'Of how much; null where it is not known.', examples: [1000] })
    )
  },
  { additionalProperties: false }
)

const JobError = Type.Object(
  {
    code: Type.String({ examples: ['VALIDATION_FAILED'] }),
    message: Type.String({ examples: ['1 item was refused. Nothing was changed.'] }),
    details: Type.Array(FaultSchema)
  },
  { additionalProperties: false }
)

/** A job, as the API shows it. */
export const Job = Type.Object(
  {
    id: Id(),
    name: ReadOnly(
      Type.String({
        description: 'What it does: the operation that it was asked for by.',
        examples: ['importProducts']
      })
    ),
    state: ReadOnly(
      Type.Unsafe<string>({
        type: 'string',
        enum: ['queued', 'running', 'done', 'failed', 'cancelled'],
        examples: ['done']
      })
    ),
    progress: ReadOnly(Progress),
    result: ReadOnly(
      Nullable(
        Type.Unsafe<object>({
          type: 'object',
          description:
            'What the request would have been answered with; of an export, where its file is. Null before the end.',
          additionalProperties: true,
          'x-any-shape': 'It is the answer of another operation.'
        })
      )
    ),
    error: ReadOnly(Nullable(JobError)),
    attempts: ReadOnly(Type.Integer({ description: 'How often it was started.', examples: [1] })),
    createdAt: ReadOnly(Timestamp()),
    startedAt: ReadOnly(Nullable(Timestamp())),
    finishedAt: ReadOnly(Nullable(Timestamp()))
  },
  { $id: 'Job', title: 'Job' }
)
