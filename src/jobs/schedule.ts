import { CronExpressionParser } from 'cron-parser'

/** The first time of a schedule after another. @throws when the cron text or the time zone is none. */
export function nextTime({ cron, timeZone = 'UTC' }: { cron: string; timeZone?: string }, after: Date): Date {
  return CronExpressionParser.parse(cron, { currentDate: after, tz: timeZone }).next().toDate()
}
