import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { drive } from './driver.ts'
import type { WorkerPlan } from './plan.ts'

// A thread of its own for each worker: its loop shares a core with nothing else of the run.
const port = parentPort as MessagePort
const stopping = new AbortController()
port.on('message', () => stopping.abort())
const driven = await drive(workerData as WorkerPlan, (progress) => port.postMessage({ progress }), stopping.signal)
port.postMessage({ driven })
port.close()
