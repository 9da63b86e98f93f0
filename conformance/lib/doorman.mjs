// A client's way into a server with authentication on, for clients that know of none: a proxy that
// shows its credential for them, and by which the streams of one project look like all there are.
// It changes only what is said here, holds nothing back, and what one side ends it ends on the other.
import { once } from "node:events"
import http from "node:http"
import https from "node:https"

const root = "/v1/stream/"
const idleMs = 300_000 // longer than clients wait between two requests: no connection closes under a new one
const ofOneConnection = new Set(["connection", "keep-alive", "proxy-connection"])

export class Doorman {
  passed = 0 // requests
  broken = [] // of them, with what has ended the server's side
  #sockets = new Set()

  // start answers a doorman in front of the server on that port. With ca the server speaks TLS.
  // With publicStreams whatever clients create anybody may read.
  static async start({ port, ca, project, credential, publicStreams = false }) {
    const doorman = new Doorman()
    Object.assign(doorman, { port, ca, project, credential, publicStreams })
    doorman.http = ca ? https : http
    doorman.agent = new doorman.http.Agent({ keepAlive: true, ca })
    doorman.server = http.createServer({ keepAliveTimeout: idleMs }, (request, response) => doorman.#pass(request, response))
    doorman.server.on("connection", (socket) => {
      doorman.#sockets.add(socket)
      socket.on("close", () => doorman.#sockets.delete(socket))
    })
    doorman.server.listen(0, "127.0.0.1")
    await once(doorman.server, "listening")
    doorman.url = `http://127.0.0.1:${doorman.server.address().port}`
    return doorman
  }

  close() {
    this.server.close()
    for (const socket of this.#sockets) socket.destroy()
    this.agent.destroy()
  }

  #pass(request, response) {
    this.passed++
    const sent = this.http.request({
      // The server closes the connection of an event stream behind its end, without a word of it
      // before: the next request on it would find it closed.
      agent: /[?&]live=sse(&|$)/.test(request.url) ? false : this.agent,
      ca: this.ca,
      host: "127.0.0.1",
      port: this.port,
      method: request.method,
      path: this.#inward(request.url),
      headers: this.#asked(request),
    })
    // Half an answer must not look like a whole one, so an end before the end is one for the client.
    const abort = (err) => {
      if (!response.destroyed) this.broken.push(`${request.method} ${request.url.split("?")[0]}: ${err.message}`)
      response.destroy()
    }
    sent.on("error", abort)
    sent.on("response", (answer) => {
      response.sendDate = false
      response.writeHead(answer.statusCode, answer.statusMessage, this.#answered(answer))
      response.flushHeaders() // an event stream may have nothing else for a while
      answer.on("error", abort)
      answer.pipe(response)
    })
    response.on("close", () => response.writableFinished || sent.destroy())
    request.on("error", () => sent.destroy())
    request.pipe(sent)
  }

  #asked({ method, rawHeaders }) {
    const headers = []
    const names = new Set()
    for (const [name, value] of pairs(rawHeaders)) {
      const lower = name.toLowerCase()
      if (ofOneConnection.has(lower)) continue
      names.add(lower)
      headers.push(name, lower === "stream-forked-from" ? this.#inward(value) : value)
    }
    // A preflight is a browser's own, which has no credentials.
    if (method !== "OPTIONS" && !names.has("authorization")) headers.push("Authorization", `Bearer ${this.credential}`)
    if (method === "PUT" && this.publicStreams && !names.has("stream-access")) headers.push("Stream-Access", "public-read")
    headers.push("Connection", "keep-alive")
    // Without either there is no body, which node would say by a chunked one of no chunks.
    if (!names.has("content-length") && !names.has("transfer-encoding") && /^P/.test(method)) headers.push("Content-Length", "0")
    return headers
  }

  #answered({ rawHeaders }) {
    const headers = []
    for (const [name, value] of pairs(rawHeaders)) {
      const lower = name.toLowerCase()
      if (ofOneConnection.has(lower) && value.toLowerCase() !== "close") continue
      if (lower === "location") headers.push(name, value.replace(/^https?:\/\/[^/]+/, this.url).replace(`${root}${this.project}/`, root))
      else if (lower === "stream-forked-from") headers.push(name, value.replace(`${root}${this.project}/`, root))
      else headers.push(name, value)
    }
    return headers
  }

  // inward puts the project in front of the name of a stream.
  #inward(path) {
    return path.startsWith(root) ? `${root}${this.project}/${path.slice(root.length)}` : path
  }
}

function* pairs(raw) {
  for (let i = 0; i < raw.length; i += 2) yield [raw[i], raw[i + 1]]
}
