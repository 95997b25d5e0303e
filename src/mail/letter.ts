import type { MailContent } from './message.ts'

/** A paragraph of a letter: a sentence or more, or a link on a line of its own. */
type Paragraph = string | { link: string; label: string }

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (sign) => ENTITIES[sign] as string)

/** A mail of paragraphs. Text and HTML say the same, and in the HTML every value is escaped. */
export function letter(subject: string, paragraphs: Paragraph[]): MailContent {
  const text = paragraphs.map((one) => (typeof one === 'string' ? one : one.link)).join('\n\n')
  const html = paragraphs.map((one) => `<p>${typeof one === 'string' ? escapeHtml(one) : anchor(one)}</p>`).join('\n')
  return { subject, text: `${text}\n`, html: `<!doctype html>\n<html lang="en">\n<body>\n${html}\n</body>\n</html>\n` }
}

// The address is there to read as well: a link that hides its target is what phishing looks like.
function anchor({ link, label }: { link: string; label: string }): string {
  const address = escapeHtml(link)
  return `<a href="${address}">${escapeHtml(label)}</a><br>${address}`
}
