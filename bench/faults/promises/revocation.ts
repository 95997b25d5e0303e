import type { Promised } from '../promise.ts'
import { showRevocation } from '../revoked.ts'

export default {
  name: 'revocation',
  title: 'Revoked, and refused by three instances',
  async show(lab) {
    const database = await lab.database()
    const instances = await lab.instances(3, database.url)
    return showRevocation(
      lab,
      instances.map(({ url }) => url)
    )
  }
} satisfies Promised
