import type { Promised } from '../promise.ts'
import { showBySuite } from '../suite.ts'

export default {
  name: 'canary',
  title: 'A canary in secrets, in no answer, log, metric or document',
  show: (lab) => showBySuite(lab, ['test/identity/canary.test.ts'])
} satisfies Promised
