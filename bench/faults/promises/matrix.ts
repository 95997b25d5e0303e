import type { Promised } from '../promise.ts'
import { showBySuite } from '../suite.ts'

export default {
  name: 'matrix',
  title: 'Role × route and owner × route, generated from the route table',
  show: (lab) =>
    showBySuite(lab, ['test/identity/matrix.test.ts', 'test/resource/ownership.test.ts', 'test/routes-check.test.ts'])
} satisfies Promised
