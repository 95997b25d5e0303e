import { isDeepStrictEqual } from 'node:util'
import { type Answer, type Exchange, isGone } from '../openapi/client.ts'
import type { Operation } from '../openapi/document.ts'
import { inputFor, type Row, withReferences } from '../openapi/references.ts'
import { noInput, type OperationInput, requestOf } from '../openapi/request.ts'
import { type Resource, rowsOf } from '../openapi/resources.ts'
import { isObject, type Json } from '../openapi/schema.ts'
import { fill, jsonTemplate } from '../values/template.ts'
import { referencesIn } from '../values/typical.ts'
import { checkAnswer } from './answer.ts'
import { Fault } from './finding.ts'
import type { Session } from './session.ts'

/** Which credential a request carries: the key, the other key, none, or a text that is no credential. */
export type Caller = 'key' | 'other' | 'none' | { bad: string }

const MAX_TRIES = 4
const MAX_RECIPES = 8
const CREATED_FIELDS = ['createdAt', 'created_at', 'created', 'createdDate', 'insertedAt']
const CLOCK_SLACK_MS = 2_000

/** One case: its requests, and the rows that it made. What it made is deleted at its end. */
export class Scene {
  readonly session: Session
  readonly exchanges: Exchange[] = []
  readonly #made: Row[] = []
  readonly #shared = new Map<Resource, Row | undefined>()

  constructor(session: Session) {
    this.session = session
  }

  /**
   * Sends an input and checks the answer against the document.
   * @throws Fault when there is no answer, or one that is not documented so.
   */
  async send(
    operation: Operation,
    input: OperationInput,
    caller: Caller = 'key',
    raw?: { body?: string }
  ): Promise<Answer> {
    const { target, client, schemas } = this.session
    const spelled = { ...requestOf(operation, input), ...raw }
    const request = this.#authorized({ ...spelled, headers: { ...target.headers, ...spelled.headers } }, caller)
    let exchange = await client.send(request)
    // The answer to a body that is not read to its end can be lost when the server closes.
    for (let tries = 1; !exchange.answer && tries < MAX_TRIES; tries += 1) exchange = await client.send(request)
    this.exchanges.push(exchange)
    const { answer, failure } = exchange
    if (!answer) throw new Fault('no_answer', operation.id, `there was no answer: ${failure}`)
    this.session.note(operation, answer.status)
    // Noted before it is checked: what a wrong answer made is deleted, too.
    this.#noteCreated(operation, input, answer)
    checkAnswer(operation, request, answer, schemas)
    return answer
  }

  #authorized(request: ReturnType<typeof requestOf>, caller: Caller) {
    const { key, otherKey } = this.session.target
    const credential =
      caller === 'key' ? key : caller === 'other' ? otherKey : caller === 'none' ? undefined : caller.bad
    return credential === undefined ? request : this.session.authorize(request, credential)
  }

  /**
   * Sends an input that may change something, and when it is refused, checks that nothing has changed.
   * @param row the row that the operation is about.
   */
  async attempt(
    operation: Operation,
    input: OperationInput,
    row: Row | undefined,
    caller: Caller = 'key',
    raw?: { body?: string }
  ) {
    const isSafe = operation.method === 'GET' || operation.method === 'HEAD'
    const watched = isSafe ? undefined : row
    const creates = this.session.resources.find(({ create }) => create === operation)
    const before = watched && (await this.read(watched))
    const idsBefore = creates && (await this.#idsOf(creates, input))
    const answer = await this.send(operation, input, caller, raw)
    if (answer.status < 300 && !creates) await this.#noteNamed(operation, input, answer)
    if (answer.status < 400) return answer
    if (watched && before) {
      const after = await this.read(watched)
      const isSame = isDeepStrictEqual(before.json, after.json) && before.headers.etag === after.headers.etag
      if (!isSame)
        throw new Fault('refused_but_changed', operation.id, `it answered ${answer.status} and changed the row`)
    }
    const idsAfter = idsBefore && creates && (await this.#idsOf(creates, input))
    const isNew = idsBefore && idsAfter?.some((id) => !idsBefore.includes(id))
    if (isNew) throw new Fault('refused_but_changed', operation.id, `it answered ${answer.status} and made a row`)
    return answer
  }

  /** Reads a row as a caller. */
  read(row: Row, caller: Caller = 'key', headers: Record<string, string> = {}): Promise<Answer> {
    return this.send(row.resource.read, { ...inputFor(row), header: headers }, caller)
  }

  /** A row of a resource that others in this case may refer to; undefined where none can be made. */
  async shared(resource: Resource): Promise<Row | undefined> {
    // It is undefined meanwhile, so that a resource that refers to itself comes to an end.
    if (this.#shared.has(resource)) return this.#shared.get(resource)
    this.#shared.set(resource, undefined)
    const row = await this.fresh(resource)
    this.#shared.set(resource, row)
    return row
  }

  /** Makes a row the one that others in this case refer to. */
  share(row: Row): void {
    this.#shared.set(row.resource, row)
  }

  /** Makes a row of a resource; undefined where the server refuses each of a few inputs. */
  async fresh(resource: Resource): Promise<Row | undefined> {
    for (const recipe of this.session.recipes(resource).slice(0, MAX_RECIPES)) {
      const { row } = await this.create(resource, await this.#unmarked(recipe))
      this.session.learn(resource, recipe, row !== undefined)
      if (row) return row
    }
    return undefined
  }

  // The marks of a typical body: texts that must be new, and rows of others.
  async #unmarked(recipe: OperationInput): Promise<OperationInput> {
    if (recipe.body === undefined) return recipe
    const ids = new Map<string, Json>()
    for (const to of referencesIn(recipe.body)) {
      const resource = this.session.resources.find(({ collection }) => collection === to) as Resource
      const row = await this.shared(resource)
      if (row) ids.set(to, row.id)
    }
    const filling = { unique: this.session.unique(), id: null, reference: (to: string) => ids.get(to) ?? null }
    return { ...recipe, body: JSON.parse(fill(jsonTemplate(recipe.body), filling, false)) }
  }

  /** Makes a row of an input, references filled in. @returns what was sent, the answer, and the row if there is one. */
  async create(resource: Resource, input: OperationInput) {
    const operation = resource.create as Operation
    const sent = await this.filled(operation, input)
    const known = this.#made.length
    const answer = await this.send(operation, sent)
    return { sent, answer, row: this.#made[known] }
  }

  /** An input with ids of rows that exist. */
  filled(operation: Operation, input: OperationInput, except?: string): Promise<OperationInput> {
    const { resources, schemas } = this.session
    return withReferences(operation, input, resources, schemas, (resource) => this.shared(resource), except)
  }

  /** The row that the path of an operation ends at, or begins with. */
  async rowOf(operation: Operation): Promise<Row | undefined> {
    const resource = this.session.resources.findLast(({ item }) => `${operation.path}/`.startsWith(`${item}/`))
    return resource && this.shared(resource)
  }

  /** Deletes what was made, the last first; what cannot be deleted is noted. */
  async end(): Promise<void> {
    for (const row of this.#made.reverse()) {
      const { remove, read } = row.resource
      const { path } = row
      const request = this.#authorized(requestOf(remove ?? read, { ...noInput(), path }), 'key')
      const removed = remove && (await this.session.client.send(request))
      if (!isGone(removed?.answer?.status)) this.session.leftBehind.push(request.target)
    }
    this.#made.length = 0
  }

  #noteCreated(operation: Operation, input: OperationInput, { status, json }: Answer): void {
    const resource = this.session.resources.find(({ create }) => create === operation)
    const id = resource && idOf(json, resource)
    if (id !== undefined && resource && status < 300) this.#made.push(rowFrom(resource, id, input.path, json as Json))
  }

  // A bulk answers with ids of rows, but some of them may have been there before.
  async #noteNamed(operation: Operation, input: OperationInput, answer: Answer): Promise<void> {
    const resource = this.session.resources.find(({ collection }) => operation.path.startsWith(`${collection}/`))
    if (operation.method !== 'POST' || !resource?.remove) return
    const ids = [answer.json, ...(rowsOf(answer.json) ?? [])].flatMap((one) => idOf(one, resource) ?? [])
    for (const id of new Set(ids)) {
      if (this.#made.some((row) => row.resource === resource && row.id === id)) continue
      const row = rowFrom(resource, id, input.path, null)
      const { status, json } = await this.read(row)
      if (status === 200 && this.#isOfThisRun(json)) this.#made.push(row)
    }
  }

  #isOfThisRun(json: Json | undefined): boolean {
    const made = isObject(json) ? CREATED_FIELDS.map((name) => json[name]).find((one) => one !== undefined) : undefined
    return typeof made === 'string' && Date.parse(made) >= this.session.startedAt - CLOCK_SLACK_MS
  }

  async #idsOf(resource: Resource, input: OperationInput): Promise<Json[] | undefined> {
    if (!resource.list) return undefined
    const { status, json } = await this.send(resource.list, { ...noInput(), path: input.path })
    if (status !== 200) return undefined
    return (rowsOf(json) ?? []).flatMap((row) => idOf(row, resource) ?? [])
  }
}

function rowFrom(resource: Resource, id: Json, path: Record<string, Json>, value: Json): Row {
  return { resource, id, path: { ...path, [resource.idParameter]: id }, value }
}

/** The id of a row in an answer. */
export const idOf = (json: Json | undefined, { idField }: Resource): Json | undefined =>
  isObject(json) ? (json[idField] ?? undefined) : undefined
