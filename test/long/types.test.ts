import t from 'tap'
import { kinds } from '#test/support/kinds.ts'
import { testKinds } from '#test/support/type-matrix.ts'

await testKinds(t, kinds, true)
