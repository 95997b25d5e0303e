import fc from 'fast-check'
import { Client } from '../openapi/client.ts'
import { type Authorize, authorizeBy } from '../openapi/credentials.ts'
import { type ApiDocument, type Operation, operationsOf } from '../openapi/document.ts'
import type { OperationInput } from '../openapi/request.ts'
import { type Resource, resourcesOf } from '../openapi/resources.ts'
import { Schemas } from '../openapi/schemas.ts'
import { inputsOf, jsonBody } from '../values/inputs.ts'
import { UNIQUE } from '../values/template.ts'
import { typicalBody, VARIATIONS } from '../values/typical.ts'

/** What a run against one server needs. */
export interface Target {
  document: ApiDocument
  key: string | undefined
  /** The credential of another user, from which the rows of the first are to be hidden. */
  otherKey: string | undefined
  /** Sent with every request. */
  headers: Record<string, string>
  /** Names of operations; undefined for all. */
  only: string[] | undefined
  skip: string[]
  seed: number
  /** Names of fields that hold the owner of a row. */
  ownerFields: string[]
}

const SAMPLES = 20

/** A run against one server: its document, its client, and what was learned on the way. */
export class Session {
  readonly target: Target
  readonly schemas: Schemas
  readonly operations: Operation[]
  readonly resources: Resource[]
  readonly client: Client
  readonly authorize: Authorize
  /** What could not be deleted, as paths. */
  readonly leftBehind: string[] = []
  /** How often each operation was answered, by status. */
  readonly statuses = new Map<string, Map<number, number>>()
  readonly startedAt = Date.now()
  readonly #recipes = new Map<Resource, OperationInput[]>()
  #made = 0

  constructor(target: Target) {
    const { document, key } = target
    this.target = target
    this.schemas = new Schemas(document.components.schemas)
    this.operations = operationsOf(document)
    this.resources = resourcesOf(this.operations, this.schemas)
    this.client = new Client(document.server)
    this.authorize = key === undefined ? (request) => request : authorizeBy(document)
  }

  /** Whether an operation is tried by itself: it was asked for, and does not change rows that were there before. */
  isTried(operation: Operation): boolean {
    const { only, skip } = this.target
    if (skip.includes(operation.id)) return false
    return only ? only.includes(operation.id) : this.#isHarmless(operation)
  }

  /** The operations that are left out because they could change rows of others. */
  get leftOut(): Operation[] {
    return this.operations.filter((one) => !this.target.only && !this.isTried(one))
  }

  // Without an id in the path or in the body, a change could be one of every row there is.
  #isHarmless({ method, path, body }: Operation): boolean {
    if (!['PATCH', 'PUT', 'DELETE'].includes(method) || path.includes('{')) return true
    return body?.required === true && /"ids?":/.test(JSON.stringify(this.#expanded(body.content)))
  }

  #expanded(content: NonNullable<Operation['body']>['content']): unknown {
    const schemas = this.schemas
    return Object.values(content).map(({ schema = {} }) => {
      const items = schemas.flatten(schemas.flatten(schema).properties?.items ?? {}).items ?? {}
      return [schemas.flatten(schema), schemas.flatten(items)]
    })
  }

  /** Inputs for a row of a resource, those that worked before first. Their bodies may have marks. */
  recipes(resource: Resource): OperationInput[] {
    const known = this.#recipes.get(resource)
    if (known) return known
    const { create } = resource
    const isAllowed = create && !this.target.skip.includes(create.id)
    const inputs = isAllowed && inputsOf(create, this.schemas, 0)
    const samples = inputs ? fc.sample(inputs, { numRuns: SAMPLES, seed: this.target.seed }) : []
    const recipes = [...samples.slice(0, 1).flatMap((input) => this.#typical(resource, input)), ...samples]
    this.#recipes.set(resource, recipes)
    return recipes
  }

  #typical({ create }: Resource, input: OperationInput): OperationInput[] {
    const { schemas, resources } = this
    const operation = create as Operation
    const { path } = operation
    const { media, schema } = jsonBody(operation) ?? {}
    if (!schema || media !== input.contentType) return []
    return VARIATIONS.map((variation) => ({
      ...input,
      body: typicalBody(schema, { schemas, resources, path, variation })
    }))
  }

  /** A text that no row of this or an earlier run has. */
  unique(): string {
    this.#made += 1
    return (this.startedAt.toString(36) + this.#made.toString(36).padStart(4, '0')).slice(-UNIQUE.length)
  }

  /** Puts the input of a row that was made in front, and of one that was refused at the end. */
  learn(resource: Resource, recipe: OperationInput, isGood: boolean): void {
    const others = this.recipes(resource).filter((one) => one !== recipe)
    this.#recipes.set(resource, isGood ? [recipe, ...others] : [...others, recipe])
  }

  note(operation: Operation, status: number): void {
    const statuses = this.statuses.get(operation.id) ?? new Map<number, number>()
    this.statuses.set(operation.id, statuses.set(status, (statuses.get(status) ?? 0) + 1))
  }
}
