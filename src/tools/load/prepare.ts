import { MisuseError } from '../misuse.ts'
import { type Client, isGone } from '../openapi/client.ts'
import type { ApiDocument, Operation } from '../openapi/document.ts'
import { type HttpRequest, noInput, type OperationInput, requestOf } from '../openapi/request.ts'
import { isJsonMedia, type Resource } from '../openapi/resources.ts'
import { isObject, type Json } from '../openapi/schema.ts'
import type { Schemas } from '../openapi/schemas.ts'
import { jsonBody } from '../values/inputs.ts'
import { fill, jsonTemplate, type Place, pathTemplate } from '../values/template.ts'
import { referencesIn, typicalBody, VARIATIONS, type Variation } from '../values/typical.ts'
import type { Chain, LeftOut, Step, StepKind } from './plan.ts'
import { UniqueTexts } from './user.ts'

/** What a preparation needs of the target. */
export interface PrepareTarget {
  document: ApiDocument
  schemas: Schemas
  operations: Operation[]
  resources: Resource[]
  client: Client
  /** Adds the credential and the headers of the run. */
  dress(request: HttpRequest): HttpRequest
  weights: Record<string, number>
  /** Names of resources, collections or operations; undefined for all. */
  only: string[] | undefined
}

type Id = string | number

interface MadeRow {
  resource: Resource
  id: Id
}

/** A step that makes rows, and two that it made. */
interface Created {
  step: Step
  ids: Id[]
}

const POOL = 10
const STEPS: [StepKind, number][] = [
  ['create', 1],
  ['read', 4],
  ['update', 1],
  ['list', 1],
  ['delete', 1]
]

/** Tries each request of a run once, makes the rows that others refer to, and deletes in the end what was made. */
export class Preparation {
  readonly #target: PrepareTarget
  readonly #unique = new UniqueTexts(`p${Math.floor(Math.random() * 36).toString(36)}`)
  readonly #made: MadeRow[] = []
  readonly #pools = new Map<string, Id[]>()
  readonly leftOut: LeftOut[] = []
  #refusal = ''

  constructor(target: PrepareTarget) {
    this.#target = target
  }

  /** Ids of rows by collection, for the references of bodies. */
  get rows(): Record<string, Id[]> {
    return Object.fromEntries(this.#pools)
  }

  /** The chains of a run: one for each resource that rows can be made of; without any, one for each plain GET. */
  async chains(): Promise<Chain[]> {
    const { resources, operations, only } = this.#target
    const chains: Chain[] = []
    const known = [
      ...resources.flatMap(({ name, collection }) => [name, collection]),
      ...operations.map(({ id }) => id)
    ]
    const names = [...(only ?? []), ...Object.keys(this.#target.weights)]
    const unknown = names.find((name) => !known.includes(name) && !STEPS.some(([kind]) => kind === name))
    if (unknown !== undefined) throw new MisuseError(`the document has no resource or operation '${unknown}'`)
    for (const resource of resources) {
      const chain = this.#isWanted(resource) ? await this.#chainOf(resource) : undefined
      if (chain) chains.push(chain)
    }
    for (const operation of operations) {
      const isNamed = only?.includes(operation.id)
      const isPlain = operation.method === 'GET' && !operation.parameters.some(({ required }) => required)
      if (isPlain && (isNamed || (!only && chains.length === 0 && this.#weight(operation.id, 1) > 0))) {
        const step = this.#step(operation, 'get', {}, undefined)
        if (await this.#isGood(step, undefined))
          chains.push({ name: operation.id, weight: this.#weight(operation.id, 1), idField: '', steps: [step] })
      }
    }
    return chains
  }

  /** Deletes rows: those that a run left, and those that were made here. @returns the paths of those that stay. */
  async clean(left: { chain: string; id: Id }[]): Promise<string[]> {
    const { resources, client, dress } = this.#target
    const ofRun = left.map(({ chain, id }) => ({
      resource: resources.find((one) => one.collection === chain) as Resource,
      id
    }))
    const stay: string[] = []
    // What refers to others goes before what it refers to.
    for (const { resource, id } of [...ofRun, ...this.#made.reverse()]) {
      const operation = resource.remove ?? resource.read
      const request = dress(requestOf(operation, { ...noInput(), path: { [resource.idParameter]: id } }))
      const removed = resource.remove && (await client.send(request))
      if (!isGone(removed?.answer?.status)) stay.push(request.target)
    }
    this.#made.length = 0
    return stay
  }

  #weight(name: string, otherwise: number): number {
    return this.#target.weights[name] ?? otherwise
  }

  #isWanted(resource: Resource): boolean {
    const { only } = this.#target
    const { name, collection, create, remove } = resource
    // Rows of nested resources would need a row around them for each.
    if (!create || !jsonBody(create) || collection.includes('{')) return false
    if (only && !only.includes(name) && !only.includes(collection)) return false
    const isNamed = only !== undefined || name in this.#target.weights
    if (!remove && !isNamed) {
      this.leftOut.push({ name: collection, reason: 'its rows cannot be deleted; --weights names it to include it' })
      return false
    }
    return this.#weight(name, 1) > 0
  }

  async #chainOf(resource: Resource): Promise<Chain | undefined> {
    const create = await this.#creating(
      resource,
      VARIATIONS.filter(({ isLarge }) => !isLarge)
    )
    if (!create) {
      this.leftOut.push({
        name: resource.collection,
        reason: `the server refuses what its document permits: ${this.#refusal}`
      })
      return undefined
    }
    const { step, ids } = create
    const steps: Step[] = []
    for (const [kind, times] of STEPS) {
      const one = kind === 'create' ? step : await this.#using(resource, kind, ids)
      if (one) steps.push(...Array<Step>(this.#weight(kind, times)).fill(one))
    }
    return { name: resource.collection, weight: this.#weight(resource.name, 1), idField: resource.idField, steps }
  }

  /** Finds a body that makes a row, and another row right after it. */
  async #creating(resource: Resource, variations: Variation[]): Promise<Created | undefined> {
    const operation = resource.create as Operation
    for (const variation of variations) {
      const body = this.#body(operation, variation)
      if (!(await this.#fillPools(referencesIn(body)))) continue
      const step = this.#step(operation, 'create', {}, body)
      const made = [await this.#send(step, undefined), await this.#send(step, undefined)]
      const ids = made.map((json) => (isObject(json) ? json[resource.idField] : undefined))
      for (const id of ids) if (isId(id)) this.#made.push({ resource, id })
      if (ids.every(isId)) return { step, ids }
    }
    return undefined
  }

  async #using(resource: Resource, kind: StepKind, ids: Id[]): Promise<Step | undefined> {
    const { read, update, list, remove } = resource
    const path = { [resource.idParameter]: { is: 'id' } as const }
    if (kind === 'delete') return remove && this.#step(remove, kind, path, undefined)
    const plain = kind === 'read' ? read : kind === 'list' ? list : undefined
    if (plain) {
      const step = this.#step(plain, kind, kind === 'read' ? path : {}, undefined)
      return (await this.#isGood(step, ids[0])) ? step : undefined
    }
    if (kind !== 'update' || !update || !jsonBody(update)) return undefined
    for (const variation of VARIATIONS.filter(({ isLarge }) => !isLarge)) {
      const body = this.#body(update, variation)
      const step = this.#step(update, kind, path, body)
      if (!(await this.#fillPools(referencesIn(body)))) continue
      // Of two rows: the second one shows whether a value must be unique.
      if ((await this.#isGood(step, ids[0])) && (await this.#isGood(step, ids[1]))) return step
    }
    this.leftOut.push({ name: update.id, reason: `the server refuses what its document permits: ${this.#refusal}` })
    return undefined
  }

  /** Makes the rows that bodies refer to. @returns whether each collection has some. */
  async #fillPools(collections: string[]): Promise<boolean> {
    for (const collection of collections) {
      if (this.#pools.has(collection)) continue
      // A resource that refers to itself finds no rows, and its field is left out by another variation.
      this.#pools.set(collection, [])
      const resource = this.#target.resources.find((one) => one.collection === collection) as Resource
      const made = await this.#creating(resource, VARIATIONS)
      const ids = made ? made.ids.slice(0, 1) : []
      for (let count = 1; made && count < POOL; count += 1) {
        const json = await this.#send(made.step, undefined)
        const id = isObject(json) ? json[resource.idField] : undefined
        if (!isId(id)) break
        this.#made.push({ resource, id })
        ids.push(id)
      }
      this.#pools.set(collection, ids)
    }
    return collections.every((collection) => this.#pools.get(collection)?.length)
  }

  #body(operation: Operation, variation: Variation): Json {
    const { schemas, resources } = this.#target
    const { schema } = jsonBody(operation) as NonNullable<ReturnType<typeof jsonBody>>
    return typicalBody(schema, { schemas, resources, path: operation.path, variation })
  }

  #step(operation: Operation, kind: StepKind, path: Record<string, Place>, body: Json | undefined): Step {
    const media = Object.keys(operation.body?.content ?? {}).find(isJsonMedia)
    const input: OperationInput = { ...noInput(), ...(body !== undefined && media && { contentType: media, body }) }
    const { headers, target } = this.#target.dress(requestOf({ ...operation, path: '' }, input))
    return {
      operation: operation.id,
      kind,
      method: operation.method,
      path: [...pathTemplate(operation.path, path), target],
      headers: { accept: 'application/json', ...headers },
      body: body === undefined ? undefined : jsonTemplate(body)
    }
  }

  async #isGood(step: Step, id: Id | undefined): Promise<boolean> {
    return (await this.#send(step, id)) !== undefined
  }

  /** Sends a step once. @returns the JSON of the answer, null where it has none; undefined where it was refused. */
  async #send({ method, path, headers, body }: Step, id: Id | undefined): Promise<Json | undefined> {
    const reference = (collection: string) => {
      const ids = this.#pools.get(collection) as Id[]
      return ids[0] as Id
    }
    const filling = { unique: this.#unique.take(), id: id ?? '', reference }
    const request = { method, target: fill(path, filling, true), headers, body: body && fill(body, filling, false) }
    const { answer, failure } = await this.#target.client.send(request)
    if (!answer || answer.status >= 400)
      this.#refusal = answer ? `${answer.status} ${answer.text.slice(0, 200)}` : `${failure}`
    return answer && answer.status < 400 ? (answer.json ?? null) : undefined
  }
}

const isId = (value: Json | undefined): value is Id => typeof value === 'string' || typeof value === 'number'
