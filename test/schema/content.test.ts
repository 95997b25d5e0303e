import t from 'tap'
import { contentOf, shapeOf } from '#src/schema/content.ts'

const schema = {
  $id: 'Thing',
  title: 'Thing',
  type: 'object',
  description: 'A thing.',
  required: ['description'],
  properties: {
    description: { type: 'string', maxLength: 5, examples: ['x'], description: 'Says more.' },
    default: { type: 'integer', minimum: 1, default: 2 },
    properties: { type: 'object', title: 'Inner', properties: { title: { type: 'string', pattern: '^a' } } },
    kind: { enum: [{ title: 'kept' }], default: { description: 'kept' } }
  },
  anyOf: [{ title: 'gone' }, { const: { examples: 'kept' } }]
}

t.test('the content of a schema has no notes, and keeps fields that are named like notes', async (t) => {
  t.same(contentOf(schema), {
    type: 'object',
    required: ['description'],
    properties: {
      description: { type: 'string', maxLength: 5 },
      default: { type: 'integer', minimum: 1, default: 2 },
      properties: { type: 'object', properties: { title: { type: 'string', pattern: '^a' } } },
      kind: { enum: [{ title: 'kept' }], default: { description: 'kept' } }
    },
    anyOf: [{}, { const: { examples: 'kept' } }]
  })
})

t.test('the shape of a schema has no checks either', async (t) => {
  t.same(shapeOf(schema), {
    type: 'object',
    required: ['description'],
    properties: {
      description: { type: 'string' },
      default: { type: 'integer' },
      properties: { type: 'object', properties: { title: { type: 'string' } } },
      kind: { enum: [{ title: 'kept' }] }
    },
    anyOf: [{}, { const: { examples: 'kept' } }]
  })
})
