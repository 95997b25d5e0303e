import t from 'tap'
import { startApp } from '#test/support/app.ts'
import { median, rankTest } from '#test/support/rank-test.ts'
import { startSmtp } from '#test/support/smtp.ts'

// Whether a request for a mail takes as long for an account as for none, while the mails are being sent: two samples in
// an order drawn at random, as the work of one mail may fall on any later request.
t.setTimeout(300_000)
const SAMPLES = 500
const ATTEMPTS = 3
const LEAST_P = 0.001

const smtp = await startSmtp(t)
const { app, someone } = await startApp(t, { RATE_LIMIT_ENABLED: 'false', JOBS: 'on', MAIL_URL: smtp.url })
const { email } = await someone()
const emails = [email, `${'0'.repeat(12)}@example.com`] as const

for (const path of ['password-reset', 'verify-email']) {
  t.test(`${path}: an account takes as long as none`, async (t) => {
    await measure(path, 50)
    let p = 0
    for (let attempt = 0; attempt < ATTEMPTS && p <= LEAST_P; attempt += 1) {
      const [known, none] = await measure(path, SAMPLES)
      p = rankTest(known, none)
      const medians = [known, none].map((sample) => `${median(sample).toFixed(3)} ms`)
      t.comment(`medians ${medians.join(' and ')}, p ${p.toFixed(4)}`)
    }
    t.ok(p > LEAST_P, `p is ${p}`)
  })
}

async function measure(path: string, samples: number): Promise<[number[], number[]]> {
  const times: [number[], number[]] = [[], []]
  while (times[0].length < samples || times[1].length < samples) {
    const which = Math.random() < 0.5 ? 0 : 1
    const started = performance.now()
    await app.inject({ method: 'POST', url: `/api/v1/auth/${path}`, payload: { email: emails[which] } })
    times[which].push(performance.now() - started)
  }
  return times
}
