import { EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { copyTemplate } from './database.ts'

interface Teardown {
  teardown(end: () => unknown): void
}

/** A server for one test, and its connections. */
export interface TestServer {
  url: string
  sockets: Set<Socket>
  /** Resets every connection. */
  cut: () => void
  /** Cuts every connection and refuses new ones. */
  stop: () => Promise<void>
}

const CANCEL_REQUEST = 80_877_102
const isCancel = (message: Buffer) => message.length === 16 && message.readInt32BE(4) === CANCEL_REQUEST

/** The answer of a server to a cancelled statement: the error, and that it is ready for the next one. */
export const CANCELLED = Buffer.concat([
  errorMessage('57014', 'canceling statement due to user request'),
  message('Z', 'I')
])

function errorMessage(code: string, text: string): Buffer {
  return message('E', `SERROR\0VERROR\0C${code}\0M${text}\0\0`)
}

function message(type: string, body: string): Buffer {
  const head = Buffer.from(`${type}\0\0\0\0`)
  head.writeInt32BE(Buffer.byteLength(body) + 4, 1)
  return Buffer.concat([head, Buffer.from(body)])
}

/** A PostgreSQL with faults that a test can switch on. */
export interface WireServer extends TestServer {
  /** Swallows all data from now on, like a network that lost its route. */
  silence: () => void
  /** Answers again, but only on new connections. */
  speak: () => Promise<void>
  /** Swallows data from the statement with this text on. It still executes cancel requests. */
  silenceAt: (text: string) => void
  /** Cuts the connection in the next answer that contains this text, just before it. */
  cutAnswerAt: (text: string) => void
  /** Sends only the beginning of long answers from now on, like a link that takes hours for the rest. */
  trickle: () => void
  /** Settles when it begins to swallow data. */
  hasFallenSilent: () => Promise<unknown>
}

/**
 * PGlite behind PostgreSQL's wire protocol, to test the client of a server without a server. It has one session: tests
 * with several connections at a time need a real server.
 * @param dataDir of an existing database; without it a new one is made, which takes seconds.
 */
export async function startWire(t: Teardown, dataDir?: string): Promise<WireServer> {
  const database = await PGlite.create(dataDir)
  t.teardown(() => database.close())
  let isSilent = false
  let silentAt: string | undefined
  let cutAt: string | undefined
  let isTrickling = false
  const happened = new EventEmitter()
  const copying = new Copying(database)
  const lost = new WeakSet<Socket>()
  const server = await startServer(t, (socket) =>
    onMessage(socket, async (message) => {
      if (isCancel(message)) {
        for (const one of server.sockets) if (lost.has(one)) one.write(CANCELLED)
        return void socket.end()
      }
      if (silentAt !== undefined && message.includes(silentAt)) silence()
      if (isSilent || lost.has(socket)) return
      const answer = copying.takes(message)
        ? await copying.answer(message)
        : Buffer.from(await database.execProtocolRaw(message))
      const end = cutAt === undefined ? -1 : answer.indexOf(cutAt, 0, 'latin1')
      if (end === -1) return void socket.write(isTrickling ? answer.subarray(0, 1000) : answer)
      cutAt = undefined
      lost.add(socket)
      socket.end(answer.subarray(0, end))
    })
  )
  function silence(): void {
    isSilent = true
    happened.emit('silent')
    for (const socket of server.sockets) lost.add(socket)
  }
  return {
    ...server,
    silence,
    hasFallenSilent: async () => isSilent || once(happened, 'silent'),
    silenceAt: (text) => {
      silentAt = text
    },
    cutAnswerAt: (text) => {
      cutAt = text
    },
    trickle: () => {
      isTrickling = true
    },
    speak: async () => {
      for (const socket of server.sockets) lost.add(socket)
      // The transaction of a lost connection ends with it.
      await database.exec('rollback')
      silentAt = undefined
      isSilent = false
      isTrickling = false
    }
  }
}

/** `COPY … FROM STDIN`, which PGlite does not take from the wire: it is done when the last line is there. */
class Copying {
  readonly #database: PGlite
  #statement: string | undefined
  #lines: Buffer[] = []

  constructor(database: PGlite) {
    this.#database = database
  }

  takes(sent: Buffer): boolean {
    return this.#statement !== undefined || sent.subarray(0, 10).includes('copy ')
  }

  async answer(sent: Buffer): Promise<Buffer> {
    const [type, body] = [String.fromCharCode(sent[0] as number), sent.subarray(5)]
    const statement = this.#statement
    if (statement === undefined) {
      this.#statement = body.toString().replace('from stdin\0', "from '/dev/blob'")
      return message('G', '\0\0\0')
    }
    if (type === 'd') {
      this.#lines.push(Buffer.from(body))
      return Buffer.alloc(0)
    }
    const blob = new Blob([Buffer.concat(this.#lines)])
    this.#statement = undefined
    this.#lines = []
    if (type === 'f') return Buffer.concat([errorMessage('57014', 'COPY failed'), message('Z', 'E')])
    try {
      await this.#database.query(statement, [], { blob })
      return Buffer.concat([message('C', 'COPY 1\0'), message('Z', 'T')])
    } catch (error) {
      const { code, message: text } = error as Error & { code: string }
      return Buffer.concat([errorMessage(code, text), message('Z', 'E')])
    }
  }
}

/** The same for several processes, with its database. */
export interface SharedWire extends TestServer {
  database: PGlite
  /** Swallows all data from now on. */
  silence: () => void
}

/**
 * A migrated PGlite for several processes: one connection after the other gets its one session, each until its
 * statement or transaction ends. Notifications reach no listener.
 */
export async function startSharedWire(t: Teardown): Promise<SharedWire> {
  const { DATA_DIR } = copyTemplate(t)
  const database = await PGlite.create(join(DATA_DIR, 'pglite'))
  t.teardown(() => database.close())
  const waiting: { socket: Socket; start: () => void }[] = []
  let holder: Socket | undefined
  let isSilent = false
  async function enter(socket: Socket): Promise<void> {
    if (holder === socket) return
    if (holder) await new Promise<void>((start) => waiting.push({ socket, start }))
    holder = socket
  }
  function leave(): void {
    holder = undefined
    waiting.shift()?.start()
  }
  const server = await startServer(t, (socket) => {
    socket.on('close', async () => {
      if (holder !== socket) return
      await database.exec('rollback')
      leave()
    })
    onMessage(socket, async (message) => {
      if (isCancel(message)) return void socket.end()
      if (isSilent) return
      await enter(socket)
      const answer = Buffer.from(await database.execProtocolRaw(message))
      socket.write(answer)
      // ReadyForQuery, in no transaction.
      if (socket.destroyed || answer.subarray(-6).equals(IDLE)) leave()
    })
  })
  const silence = () => {
    isSilent = true
  }
  return { ...server, database, silence }
}

const IDLE = Buffer.from('Z\0\0\0\x05I')

/** A server that treats every connection in one way, such as closing it. @param on its port, a free one by default. */
export async function startServer(t: Teardown, treat: (socket: Socket) => void, on = 0): Promise<TestServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    treat(socket)
  })
  server.listen(on, '127.0.0.1')
  await once(server, 'listening')
  function cut(): void {
    for (const socket of sockets) socket.destroy()
  }
  async function stop(): Promise<void> {
    cut()
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  t.teardown(stop)
  const { port } = server.address() as AddressInfo
  return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, sockets, cut, stop }
}

// One message after the other. The first has no type byte, every other has one before its length.
function onMessage(socket: Socket, handle: (message: Buffer) => Promise<void>): void {
  let received: Buffer = Buffer.alloc(0)
  let prefix = 0
  let turn = Promise.resolve()
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    while (received.length >= prefix + 4) {
      const length = prefix + received.readInt32BE(prefix)
      if (received.length < length) return
      const message = received.subarray(0, length)
      received = received.subarray(length)
      // Terminate would end the only session.
      if (prefix === 1 && message[0] === 'X'.charCodeAt(0)) return void socket.end()
      turn = turn.then(() => handle(message))
      prefix = 1
    }
  })
}
