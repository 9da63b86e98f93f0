// One tailrace process: started on a port and a directory of its own, killed or drained, and
// started again on the same two. All that it logs is looked through for secrets.
import { execFile, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { promisify } from "node:util"
import { Access } from "./access.mjs"
import { atExit } from "./cleanup.mjs"
import { judgeCounters } from "./counters.mjs"
import { Doorman } from "./doorman.mjs"
import { Gateway } from "./gateway.mjs"
import { freePort } from "./port.mjs"
import { Scan } from "./secrets.mjs"

const readyMs = 20_000 // a start that recovers a few MiB takes milliseconds; a stuck one must not hang the run
const drainMs = 5_000 // the promise of serve: SIGTERM ends within 5 s
const logCharsMax = 64 * 1024 // per process; the newest are kept, they hold the reason of an exit
const metricsMs = 10_000

export class Server {
  #child = null
  #exited = Promise.resolve()
  #log = ""
  #problems = []
  #requests = 0
  scan = new Scan()

  // create starts no process yet. binary is the path of the program, flags follow those of the
  // addresses and the directory. With bucket the server gets one of an S3 server of its own. With
  // access it has authentication on, and url is that of a doorman.
  static async create({ binary, flags = [], bucket = false, access }) {
    const server = new Server()
    server.binary = binary
    server.flags = [...flags]
    server.port = await freePort()
    server.adminPort = await freePort()
    server.url = `http://127.0.0.1:${server.port}`
    server.home = mkdtempSync(join(tmpdir(), "tailrace-conformance-"))
    server.discard = atExit(() => {
      server.#child?.kill("SIGKILL")
      server.gateway?.kill()
      server.doorman?.close()
      rmSync(server.home, { recursive: true, force: true, maxRetries: 5 })
    })
    if (bucket) {
      server.gateway = await Gateway.create(server.home)
      server.flags.push(...server.gateway.place)
      server.scan.know("the secret of the bucket", server.gateway.env.AWS_SECRET_ACCESS_KEY)
    }
    if (access) await server.#guard(access)
    return server
  }

  async #guard({ credential, tls, publicStreams }) {
    this.access = Access.create(this.home, { credential, tls })
    this.flags.push(...this.access.flags)
    for (const { what, text } of this.access.secrets) this.scan.know(what, text)
    this.doorman = await Doorman.start({ ...this.access, port: this.port, publicStreams })
    this.url = this.doorman.url
  }

  // spawn starts the process and does not wait for it to answer.
  spawn() {
    const addresses = ["--listen", `127.0.0.1:${this.port}`, "--admin-listen", `127.0.0.1:${this.adminPort}`]
    const args = ["serve", ...addresses, "--data", join(this.home, "data"), ...this.flags]
    const child = spawn(this.binary, args, { stdio: ["ignore", "pipe", "pipe"], cwd: this.home, env: this.#env })
    this.#child = child
    for (const pipe of [child.stdout, child.stderr]) {
      const reader = this.scan.reader()
      pipe.setEncoding("utf8")
      pipe.on("data", (text) => {
        this.#log = (this.#log + text).slice(-logCharsMax)
        reader.take(text)
      })
      pipe.on("close", reader.end)
    }
    // A missing binary arrives as an error event and never as an exit. The end is when all that the
    // process has written was read.
    this.#exited = new Promise((resolve) => {
      child.once("error", (err) => resolve({ error: err.message }))
      child.once("close", (code, signal) => resolve({ code, signal }))
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
    if (this.doorman) this.doorman.broken = [] // until now that was nobody but us
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
      if (how) throw new Error(`server: start ${this.binary}: ended with ${JSON.stringify(how)}\n${this.log}`)
      if (answered) return
      await delay(20)
    }
    throw new Error(`server: start ${this.binary}: no answer within ${readyMs} ms\n${this.log}`)
  }

  // kill9 is the crash: no handler of the process runs.
  async kill9() {
    if (!this.#child) throw new Error(`server: kill: the process had ended by itself\n${this.log}`)
    this.#child.kill("SIGKILL")
    const how = await this.#exited
    // A process that beat the signal by ending itself crashed for a reason of its own.
    if (how.signal !== "SIGKILL") {
      throw new Error(`server: kill: the process ended by itself with ${JSON.stringify(how)}\n${this.log}`)
    }
  }

  // stop asks the process what it has counted, drains it and removes its directory. It returns what
  // was wrong, or an empty string: an error of its own, a server that needs the second signal or had
  // ended before, and a secret in its log, are findings.
  async stop() {
    const problems = this.#problems
    if (!this.#child) {
      problems.push(`the server had ended by itself: ${JSON.stringify(await this.#exited)}`)
    } else {
      await this.count()
      problems.push(...(await this.#drain()))
    }
    if (problems.length === 0 && this.gateway) problems.push(...(await this.#audit()))
    problems.push(...this.scan.problems)
    this.discard()
    return problems.join("\n")
  }

  async #drain() {
    const child = this.#child
    let late = false
    child.kill("SIGTERM")
    const timer = setTimeout(() => {
      late = true
      child.kill("SIGKILL")
    }, drainMs)
    const how = await this.#exited
    clearTimeout(timer)
    if (late) return [`the server did not end within ${drainMs} ms of SIGTERM`]
    return how.code === 0 ? [] : [`the server ended with ${JSON.stringify(how)} after SIGTERM`]
  }

  // count asks the process what it has counted since its start. What is wrong with that, stop
  // returns. A process that is going to be killed has to be asked before.
  async count() {
    try {
      const response = await fetch(`http://127.0.0.1:${this.adminPort}/metrics`, { signal: AbortSignal.timeout(metricsMs) })
      const { problems, requests } = judgeCounters(await response.text())
      this.#problems.push(...problems)
      this.#requests += requests
    } catch (err) {
      this.#problems.push(`metrics: ${err.cause?.message ?? err.message}`)
    }
  }

  // account says how much was judged by the counters and the scan, so that nothing passes for good
  // because there was nothing.
  get account() {
    return `${this.#requests} requests counted, ${this.scan.lines} lines of log scanned`
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
      const clean = stdout.includes("nothing lost in the bucket") && !stdout.includes("orphan")
      return clean ? [] : [`the bucket is not clean:\n${stdout}`]
    } catch (err) {
      return [`check of the bucket: ${err.message}`]
    }
  }

  #run(...args) {
    return promisify(execFile)(this.binary, args, { cwd: this.home, env: this.#env, timeout: readyMs })
  }

  get #env() {
    return { ...process.env, ...this.gateway?.env }
  }

  // log is the end of what it has written, fit to be printed.
  get log() {
    return this.scan.mask(this.#log)
  }
}
