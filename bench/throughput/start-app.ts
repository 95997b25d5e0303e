// Starts Tenon with another folder of routes, asks it once, and writes how many seconds passed since its process began.
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'

const [routes, path] = process.argv.slice(2) as [string, string]
const app = await buildApp(loadConfig(process.env), { routes })
const address = await app.listen({ host: '127.0.0.1', port: 0 })
const response = await fetch(address + path)
const text = await response.text()
if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`)
process.stdout.write(String(performance.now() / 1000))
await app.close()
