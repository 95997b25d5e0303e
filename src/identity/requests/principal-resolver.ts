import type { Database, Listen } from '#src/db/database.ts'
import type { Principal } from '../principal.ts'
import { findKey, findRole, findSession, findToken, findUser } from './auth-records.ts'
import { ChangeWatch } from './change-watch.ts'
import { type AuthRecords, type Grant, judge } from './grant.ts'
import { InvalidatedCache } from './invalidated-cache.ts'

const MAX_KEPT = 100_000

/**
 * This process's cache of users, roles, logins and keys, each read once and kept until the database notifies a change.
 * A credential that was seen before is resolved in memory.
 */
export class PrincipalResolver {
  readonly #watch: ChangeWatch
  readonly #caches
  /* c8 ignore next 2 -- a callback is missing only until identity.ts has set it */
  #onSigningKeys = () => {}
  #onExternalUser = () => {}

  constructor(db: Database, listen: Listen) {
    this.#watch = new ChangeWatch(db, listen, (subject) => this.#forget(subject))
    const isFresh = () => this.#watch.isFollowing
    const keep = <V>(find: (db: Database, key: string) => Promise<V | undefined>) =>
      new InvalidatedCache((key: string) => find(db, key), MAX_KEPT, isFresh)
    this.#caches = {
      user: keep(findUser),
      role: keep(findRole),
      session: keep(findSession),
      key: keep(findKey),
      token: keep(findToken)
    }
  }

  /** Whether no request has needed its principal for a while. */
  get isAsleep(): boolean {
    return this.#watch.isAsleep
  }

  /** Starts to follow what other instances change. */
  start(): Promise<void> {
    return this.#watch.start()
  }

  /** Settles when this process has applied all changes until now; other instances are notified. */
  catchUp(): Promise<void> {
    return this.#watch.catchUp()
  }

  /** Stops following. */
  close(): Promise<void> {
    return this.#watch.close()
  }

  /** Sets the callback for a signing key that came or went. */
  onSigningKeys(callback: () => void): void {
    this.#onSigningKeys = callback
  }

  /** Sets the callback for the deletion of an external issuer's user. */
  onExternalUser(callback: () => void): void {
    this.#onExternalUser = callback
  }

  /** The principal of a grant: undefined when it is not valid, null when only the database knows. */
  recall(grant: Grant, address: string): Principal | undefined | null {
    const { user: users, role: roles, session: sessions, key: keys, token: tokens } = this.#caches
    const key = grant.keyId === undefined ? undefined : keys.get(grant.keyId)
    const session = grant.sessionId === undefined ? undefined : sessions.get(grant.sessionId)
    const token = grant.tokenId === undefined ? undefined : tokens.get(grant.tokenId)
    const user = users.get((grant.userId ?? key?.userId) as string)
    const role = user && roles.get(user.role)
    const isKnown = (grant.keyId === undefined || key) && (grant.sessionId === undefined || session)
    if (!role || !isKnown || (grant.tokenId !== undefined && !token)) return null
    return judge(grant, { user, role, session, key, token }, address)
  }

  /** The same with a database read for records that are not cached; undefined when the grant is not valid. */
  async resolve(grant: Grant, address: string | undefined): Promise<Principal | undefined> {
    const facts = await this.#facts(grant)
    return facts && judge(grant, facts, address)
  }

  /** The scopes of a role; undefined for an unknown name. */
  async roleScopes(name: string): Promise<ReadonlySet<string> | undefined> {
    return (await this.#caches.role.load(name))?.scopes
  }

  async #facts({ keyId, sessionId, tokenId, userId }: Grant): Promise<AuthRecords | undefined> {
    const caches = this.#caches
    const [key, session, token] = await Promise.all([
      keyId === undefined ? undefined : caches.key.load(keyId),
      sessionId === undefined ? undefined : caches.session.load(sessionId),
      tokenId === undefined ? undefined : caches.token.load(tokenId)
    ])
    const isGone = (keyId !== undefined && !key) || (sessionId !== undefined && !session)
    const user = isGone ? undefined : await caches.user.load((userId ?? key?.userId) as string)
    const role = user && (await caches.role.load(user.role))
    return role && { user, role, session, key, token }
  }

  #forget(subject: string | undefined): void {
    const [kind, id] = split(subject)
    if (kind === undefined || kind === 'signing-key') this.#onSigningKeys()
    if (kind === undefined || kind === 'external') this.#onExternalUser()
    if (kind === undefined) for (const cache of Object.values(this.#caches)) cache.clear()
    else (this.#caches as Record<string, { drop(id: string): void } | undefined>)[kind]?.drop(id)
  }
}

function split(subject: string | undefined): [string | undefined, string] {
  const colon = subject?.indexOf(':') ?? 0
  return [subject?.slice(0, colon), subject?.slice(colon + 1) ?? '']
}
