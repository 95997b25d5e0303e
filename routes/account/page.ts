import { createHash } from 'node:crypto'

interface AccountPage {
  title: string
  /** The path that takes the token of the link. */
  action: string
  button: string
  done: string
  /** Whether a new password is asked for. */
  hasPassword: boolean
}

const STYLE = `body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 4rem auto; padding: 0 1rem; color: #1d1d1f }
input, button { font: inherit; padding: .5rem .75rem; margin: .5rem 0; width: 100%; box-sizing: border-box }
@media (prefers-color-scheme: dark) { body { background: #161618; color: #eee } }`

// The token leaves the address bar, and with it the history. A mail scanner that opens the link uses nothing up: that takes
// the button.
const SCRIPT = `const form = document.querySelector('form')
const said = document.querySelector('output')
const token = new URLSearchParams(location.search).get('token')
history.replaceState(null, '', location.pathname)
form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const { password } = Object.fromEntries(new FormData(form))
  const body = JSON.stringify(password === undefined ? { token } : { token, password })
  const headers = { 'content-type': 'application/json' }
  try {
    const answer = await fetch(form.dataset.action, { method: 'POST', headers, body })
    if (answer.ok) {
      form.hidden = true
      said.textContent = form.dataset.done
      return
    }
    const { details, detail } = await answer.json()
    const [fault] = details ?? []
    said.textContent = fault ? (fault.path === '/token' ? 'The link' : 'The password') + ' ' + fault.message + '.' : detail
  } catch {
    said.textContent = 'The server does not answer. Try again.'
  }
})`

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** The policy of these pages: their own script and style run, and they talk to this server only. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `script-src ${hashOf(SCRIPT)}`,
  `style-src ${hashOf(STYLE)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join('; ')

/** A page that a link in a mail leads to. */
export const accountPage = ({ title, action, button, done, hasPassword }: AccountPage) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${STYLE}</style>
<h1>${title}</h1>
<form data-action="${action}" data-done="${done}">${
  hasPassword
    ? '\n<label>New password <input name="password" type="password" autocomplete="new-password" minlength="8" maxlength="128" required></label>'
    : ''
}
<button>${button}</button>
</form>
<output></output>
<noscript>This page needs JavaScript.</noscript>
<script>${SCRIPT}</script>
</html>
`
