import type { Random } from './random.ts'

const list = (text: string) => text.split(/\s+/)

const FIRST = list(
  'Ada Alan Amina Ben Carla Chen Clara Dana David Elif Emma Femi Grace Hana Hugo Ines Ivan Jonas Kofi Lena Lucas Maya Mei Nina Noah Omar Paula Ravi Rosa Sara Tomas Yuki'
)
const LAST = list(
  'Ahmed Andersen Bauer Becker Costa Diaz Dubois Evans Fischer Garcia Hansen Ito Jones Keller Kim Kumar Larsen Lopez Martin Meyer Moreau Novak Okafor Olsen Park Patel Rossi Santos Schmidt Silva Tanaka Weber'
)
const QUALITIES = list(
  'Ash Beech Birch Black Blue Brass Bright Ceramic Cherry Classic Compact Copper Cotton Folding Glass Green Grey Large Leather Light Linen Maple Marble Narrow Oak Pine Plain Red Round Small Soft Solid Steel Stone Tall Walnut White Wide Wool Yellow'
)
const THINGS = list(
  'Bag Basket Bed Bench Blanket Bowl Box Cabinet Candle Carpet Chair Clock Cup Curtain Cushion Desk Drawer Frame Hook Jug Kettle Knife Ladder Lamp Mat Mirror Mug Pan Pillow Plate Pot Rack Rug Shelf Sofa Stool Table Teapot Tray Vase'
)
const DEEDS = list(
  'Answer Book Call Check Clean Collect Count Fix Move Order Paint Plan Read Repair Send Sort Water Write'
)
const PLACES = list(
  'balcony cellar corner desk door garden hall kitchen office roof room shed shop stairs station window'
)
const MATERIALS = list(
  'aluminium beech brass ceramic copper cotton glass leather linen maple oak pine steel stone walnut wool'
)
const CITIES = list(
  'Accra Athens Berlin Bergen Bogota Cairo Dublin Hanoi Lagos Lima Lisbon London Lyon Madrid Milan Osaka Oslo Paris Porto Prague Quito Rome Seoul Sofia Tokyo Turin Vienna Zurich'
)
const COUNTRIES = list('AT BR CA CH CO DE DK EG ES FR GB GH GR IE IN IT JP KR NG NO PE PT US VN')
const COLOURS = list('black blue brown green grey orange purple red silver white yellow')
const STREETS = list('Bridge Church Garden High Hill Lake Market Mill Park River School Station')

const person = (random: Random) => `${random.pick(FIRST)} ${random.pick(LAST)}`
const thing = (random: Random) => `${random.pick(QUALITIES)} ${random.pick(THINGS).toLowerCase()}`
const title = (random: Random) =>
  `${random.pick(DEEDS)} the ${random.pick(THINGS).toLowerCase()} in the ${random.pick(PLACES)}`
const sentence = (random: Random) =>
  `A ${random.pick(QUALITIES).toLowerCase()} ${random.pick(THINGS).toLowerCase()} of ${random.pick(MATERIALS)} for the ${random.pick(PLACES)}.`
const code = (random: Random) =>
  `${random.pick(QUALITIES)}-${random.pick(THINGS)}-${random.between(10, 99)}`.toUpperCase()
const word = (random: Random) => random.pick(random.happens(0.5) ? MATERIALS : COLOURS)
const slug = (random: Random) => thing(random).toLowerCase().replace(' ', '-')

/** The address of a person: `ada.bauer`. */
export const mailbox = (random: Random) => person(random).toLowerCase().replace(' ', '.')

/** A word of a URL: `oak-desk`. */
export { slug }

/** Texts by the name of their field; the first that matches counts. */
const BY_NAME: [name: RegExp, make: (random: Random) => string][] = [
  [/e-?mail/i, (random) => `${mailbox(random)}@example.com`],
  [/(first|given)_?name/i, (random) => random.pick(FIRST)],
  [/(last|family|sur)_?name/i, (random) => random.pick(LAST)],
  [/user_?name|login|handle|nick/i, mailbox],
  [/company|organi[sz]ation|vendor|supplier|brand/i, (random) => `${random.pick(LAST)} & ${random.pick(LAST)}`],
  [/author|contact|customer|person|owner|assignee|full_?name/i, person],
  [/phone|mobile|fax/i, (random) => `+1 555 01${random.between(10, 99)}`],
  [/country/i, (random) => random.pick(COUNTRIES)],
  [/city|town/i, (random) => random.pick(CITIES)],
  [/zip|post_?code|postal/i, (random) => String(random.between(10_000, 99_999))],
  [/street|address/i, (random) => `${random.between(1, 200)} ${random.pick(STREETS)} Street`],
  [/colou?r/i, (random) => random.pick(COLOURS)],
  [/url|link|website|homepage/i, (random) => `https://example.com/${slug(random)}`],
  [/slug|path/i, slug],
  [/sku|code|number|reference|ident/i, code],
  [/title|subject|headline|task/i, title],
  [/descri|note|comment|text|body|content|summary|message|about|bio/i, sentence],
  [/tag|label|keyword|material|kind|type|group/i, word]
]

const PEOPLE = /user|person|people|customer|contact|member|employee|author|client|patient|student/i

/**
 * What makes texts for a field of a resource, by their names: `name` of `users` is that of a person, of `products` that of a
 * thing.
 */
export function textsByName(resource: string, field: string): (random: Random) => string {
  const made = BY_NAME.find(([name]) => name.test(field))?.[1]
  return made ?? (PEOPLE.test(resource) ? person : thing)
}
