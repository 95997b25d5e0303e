import { catalogue } from '../errors.ts'

/** The catalogue of errors as a page: the target of the `type` of every error answer. */
export function errorsPage(): string {
  const rows = Object.entries(catalogue).map(
    ([code, [status, title, meaning]]) =>
      `<tr id="${code.toLowerCase()}"><td><code>${code}</code></td><td>${status}</td><td>${title}</td><td>${meaning}</td></tr>`
  )
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Tenon: errors</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d1d1f }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .5rem .75rem; border-bottom: 1px solid #ddd }
tr:target { background: #fff3c4 }
@media (prefers-color-scheme: dark) { body { background: #161618; color: #eee } tr:target { background: #4a3f13 } }
</style>
<h1>Errors</h1>
<p>Every error answer has one body, <code>application/problem+json</code> (RFC 9457). Branch on <code>error.code</code>:
codes are stable, sentences are not. <a href="/docs">API reference</a></p>
<table>
<thead><tr><th>Code</th><th>Status</th><th>Title</th><th>Meaning</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</html>
`
}
