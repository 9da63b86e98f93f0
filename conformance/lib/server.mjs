// One tailrace process: started on a port and a directory of its own, killed or drained, and
// started again on the same two.
import { execFile, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { promisify } from "node:util"
import { atExit } from "./cleanup.mjs"
import { Gateway } from "./gateway.mjs"
import { freePort } from "./port.mjs"

const readyMs = 20_000 // a start that recovers a few MiB takes milliseconds; a stuck one must not hang the run
const drainMs = 5_000 // the promise of serve: SIGTERM ends within 5 s
const logCharsMax = 64 * 1024 // per process; the newest are kept, they hold the reason of an exit

export class Server {
  #child = null
  #exited = Promise.resolve()
  #log = ""

  // create starts nothing yet. binary is the path of the program, flags follow those of the
  // address and the directory. With bucket the server gets one of an S3 server of its own.
  static async create({ binary, flags = [], bucket = false }) {
    const server = new Server()
    server.binary = binary
    server.flags = flags
    server.port = await freePort()
    server.url = `http://127.0.0.1:${server.port}`
    server.home = mkdtempSync(join(tmpdir(), "tailrace-conformance-"))
    if (bucket) {
      server.gateway = await Gateway.create(server.home)
      server.flags = [...flags, ...server.gateway.place]
    }
    server.discard = atExit(() => {
      server.#child?.kill("SIGKILL")
      server.gateway?.kill()
      rmSync(server.home, { recursive: true, force: true, maxRetries: 5 })
    })
    return server
  }

  // spawn starts the process and does not wait for it to answer.
  spawn() {
    const args = ["serve", "--listen", `127.0.0.1:${this.port}`, "--data", join(this.home, "data"), ...this.flags]
    const child = spawn(this.binary, args, { stdio: ["ignore", "pipe", "pipe"], cwd: this.home, env: this.#env })
    this.#child = child
    for (const pipe of [child.stdout, child.stderr]) {
      pipe.setEncoding("utf8")
      pipe.on("data", (text) => {
        this.#log = (this.#log + text).slice(-logCharsMax)
      })
    }
    // A missing binary arrives as an error event and never as an exit.
    this.#exited = new Promise((resolve) => {
      child.once("error", (err) => resolve({ error: err.message }))
      child.once("exit", (code, signal) => resolve({ code, signal }))
    }).then((how) => {
      if (this.#child === child) this.#child = null
      return how
    })
  }

  // start spawns the process and returns when it answers HTTP with anything at all.
  async start() {
    await this.gateway?.start()
    this.spawn()
    await this.ready()
  }

  async ready() {
    const gone = this.#exited.then((how) => ({ how }))
    const until = Date.now() + readyMs
    while (Date.now() < until) {
      const probe = fetch(`${this.url}/`, { signal: AbortSignal.timeout(1000) }).then(
        async (response) => {
          await response.arrayBuffer()
          return { answered: true }
        },
        () => ({ answered: false }),
      )
      const { how, answered } = await Promise.race([probe, gone])
      if (how) throw new Error(`server: start ${this.binary}: ended with ${JSON.stringify(how)}\n${this.#log}`)
      if (answered) return
      await delay(20)
    }
    throw new Error(`server: start ${this.binary}: no answer within ${readyMs} ms\n${this.#log}`)
  }

  // kill9 is the crash: no handler of the process runs.
  async kill9() {
    if (!this.#child) throw new Error(`server: kill: the process had ended by itself\n${this.#log}`)
    this.#child.kill("SIGKILL")
    const how = await this.#exited
    // A process that beat the signal by ending itself crashed for a reason of its own.
    if (how.signal !== "SIGKILL") {
      throw new Error(`server: kill: the process ended by itself with ${JSON.stringify(how)}\n${this.#log}`)
    }
  }

  // stop drains the process and removes its directory. It returns what was wrong with the end,
  // or an empty string: a server that needs the second signal, or had ended before, is a finding.
  async stop() {
    let wrong = ""
    if (!this.#child) {
      wrong = `the server had ended by itself: ${JSON.stringify(await this.#exited)}`
    } else {
      const child = this.#child
      child.kill("SIGTERM")
      const timer = setTimeout(() => {
        wrong = `the server did not end within ${drainMs} ms of SIGTERM`
        child.kill("SIGKILL")
      }, drainMs)
      const how = await this.#exited
      clearTimeout(timer)
      if (!wrong && how.code !== 0) wrong = `the server ended with ${JSON.stringify(how)} after SIGTERM`
    }
    if (!wrong && this.gateway) wrong = await this.#audit()
    this.discard()
    return wrong
  }

  // status is what the running server says of itself.
  async status() {
    const { stdout } = await this.#run("status", "--json", "--data", join(this.home, "data"))
    return JSON.parse(stdout)
  }

  // audit compares the store with its bucket, and answers what is wrong.
  async #audit() {
    try {
      const { stdout } = await this.#run("check", join(this.home, "data"), ...this.gateway.place)
      return stdout.includes("orphan") || !stdout.includes("nothing lost in the bucket") ? `the bucket is not clean:\n${stdout}` : ""
    } catch (err) {
      return `check of the bucket: ${err.message}`
    }
  }

  #run(...args) {
    return promisify(execFile)(this.binary, args, { cwd: this.home, env: this.#env, timeout: readyMs })
  }

  get #env() {
    return { ...process.env, ...this.gateway?.env }
  }

  get log() {
    return this.#log
  }
}
