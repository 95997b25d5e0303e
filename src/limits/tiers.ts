import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'

const Window = Type.Object(
  { limit: Type.Integer({ minimum: 1 }), seconds: Type.Integer({ minimum: 1, maximum: 86_400 }) },
  { additionalProperties: false }
)

/** The most requests in a number of seconds. */
export type Window = Static<typeof Window>

/** A tier is a list of windows that all hold at once; an empty list has no limit. */
export type Tiers = ReadonlyMap<string, readonly Window[]>

const Windows = Type.Array(Window, { maxItems: 4 })
const Critical = Type.Object({ windows: Windows, priority: Type.Literal('critical') }, { additionalProperties: false })
const Added = Type.Record(Type.String({ pattern: '^[a-z][a-z0-9-]{0,49}$' }), Type.Union([Windows, Critical]), {
  additionalProperties: false
})

const BUILT_IN = {
  // Requests without a valid credential, per address.
  anonymous: [{ limit: 6_000, seconds: 60 }],
  standard: [
    { limit: 2_000, seconds: 1 },
    { limit: 60_000, seconds: 60 }
  ],
  high: [{ limit: 600_000, seconds: 60 }],
  // For load tests.
  unlimited: []
}

/**
 * The tiers, with those of `RATE_LIMIT_TIERS` added or put in place of the built-in ones:
 * `{"partner": [{"limit": 100, "seconds": 1}], "till": {"windows": [], "priority": "critical"}}`.
 * @throws Error with one line for a person when the text is not such an object.
 */
export function parseTiers(text: string | undefined): Tiers {
  const added = Object.entries(parseAdded(text)).map(
    ([name, tier]) => [name, Array.isArray(tier) ? tier : tier.windows] as const
  )
  return new Map([...Object.entries(BUILT_IN), ...added])
}

/** The tiers with the highest priority under overload. */
export function criticalTiers(text: string | undefined): ReadonlySet<string> {
  const critical = Object.entries(parseAdded(text)).filter(([, tier]) => !Array.isArray(tier))
  return new Set(critical.map(([name]) => name))
}

/** The tier of keys and users without another one. */
export const STANDARD = 'standard'

/** The tiers that a key can have: all but the one for requests without a credential. */
export function keyTiers(text: string | undefined): Tiers {
  return new Map([...parseTiers(text)].filter(([name]) => name !== 'anonymous'))
}

/** Whether a tier allows no more than another, counted over the time of its tightest window. */
export const isWithinTier = (tiers: Tiers, one: string, other: string): boolean =>
  one === other || perSecond(tiers, one) <= perSecond(tiers, other)

// A tier that is no longer configured counts as standard, as in the rate limit itself.
const perSecond = (tiers: Tiers, name: string): number =>
  Math.min(
    ...(tiers.get(name) ?? (tiers.get(STANDARD) as readonly Window[])).map(({ limit, seconds }) => limit / seconds)
  )

function parseAdded(text: string | undefined): Static<typeof Added> {
  let added: unknown = {}
  try {
    if (text) added = JSON.parse(text)
  } catch {
    throw new Error('is not JSON')
  }
  const fault = Value.Errors(Added, added).First()
  if (fault) throw new Error(`must be {"name": [{"limit": n, "seconds": n}, …]}: ${fault.path || '/'} ${fault.message}`)
  return added as Static<typeof Added>
}
