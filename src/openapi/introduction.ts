/** The description of the document: what a reader has to know before the first call. */
export const INTRODUCTION = `
## Who is asking
Send an access token as \`Authorization: Bearer <token>\`, from \`POST /api/v1/auth/login\` (a user, 10 minutes, then
\`/auth/refresh\`) or \`POST /oauth/token\` (a service). Or send an API key as \`X-API-Key: tn_live_…\`. One credential in one
request. Each operation names the scope that it needs: \`items:read\`, \`products:*\`, \`*\`. What belongs to somebody else
answers 404, as if it did not exist.

## Errors
Every refusal has one body, \`application/problem+json\` (RFC 9457). Branch on \`error.code\`, which is stable, and not on
sentences. \`details\` lists every fault with its place. 400: it cannot be parsed. 422: it parses and breaks a schema or a
rule. 409: it contradicts what is stored. 429 and 503: try again after \`Retry-After\`. All codes are at [/docs/errors](/docs/errors).

## Lists
\`limit\` (1 to 200) and the cursors \`page.next\` and \`page.previous\`, which are also in \`Link\`; follow them until they are
null. They stay right while rows come and go. \`sort=-priceCents,name\`, \`q=walnut\`, \`count=exact\`, \`include=category\`.
\`fields=id,name\` leaves the other fields out of each row: the schemas here describe whole rows, so a typed client that asks
for some fields narrows the type itself.

## Filters
\`field=value\` or \`field[op]=value\`: \`ne gt gte lt lte in nin like ilike has isNull\`, each listed where it can be used.
Commas separate the values of \`in\`, \`nin\` and \`has\`. \`or=(stock=0,priceCents[lt]=100)\` joins alternatives, and is
repeated for more groups, which must all be met.

## Changing
Bodies are JSON, strict: nothing is coerced and an unknown field is refused. \`PATCH\` merges (RFC 7396), \`PUT\` replaces.
Send the \`ETag\` that was read as \`If-Match\`, and a change that somebody else made in between is 412. \`Prefer: return=minimal\`
leaves the answer's body out; \`Prefer: tx=rollback\` does everything and keeps nothing.

## Doing something once
Send an \`Idempotency-Key\` that is new for each change. Sent again within 24 hours with the same body it gets the first answer,
with \`Idempotency-Replayed: true\`, and nothing happens twice. With another body it is 422; while the first is under way, 409.

## Limits
\`RateLimit\` and \`RateLimit-Policy\` say on every answer what is left. A valid key or user is charged on its own account, an
address only for requests without a valid credential. A 304 costs nothing. \`Request-Timeout: 2.5\` is how many seconds you
wait; what is under way is stopped then.
`.trim()
