// An S3 server of its own for a tailrace: versitygw, which keeps objects as files, as `make
// testtools` builds it.
import { spawn } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { freePort } from "./port.mjs"

const binary =
  process.env.TAILRACE_VERSITYGW ?? resolve(dirname(fileURLToPath(import.meta.url)), "..", "..", "bin", "versitygw")
const readyMs = 20_000
const logCharsMax = 16 * 1024
const bucket = "conformance"
const key = { id: "conformance-id", secret: "conformance-secret", region: "us-east-1" }

export class Gateway {
  #child = null
  #log = ""

  // create starts nothing yet. Its files are below home.
  static async create(home) {
    if (!existsSync(binary)) throw new Error(`gateway: there is no ${binary}: make testtools builds it`)
    const gateway = new Gateway()
    gateway.dir = join(home, "gateway")
    gateway.address = `127.0.0.1:${await freePort()}`
    // A directory is all that a bucket is.
    mkdirSync(join(gateway.dir, bucket), { recursive: true })
    return gateway
  }

  // place is how a command or a server reaches the bucket, env the credentials.
  get place() {
    return ["--bucket", `s3://${bucket}/suite`, "--bucket-endpoint", `http://${this.address}`, "--bucket-path-style", "--bucket-allow-http"]
  }

  get env() {
    return {
      AWS_ACCESS_KEY_ID: key.id,
      AWS_SECRET_ACCESS_KEY: key.secret,
      AWS_REGION: key.region,
      AWS_EC2_METADATA_DISABLED: "true",
    }
  }

  // start returns when it answers. Starting it again does nothing.
  async start() {
    if (this.#child) return
    const args = ["--port", this.address, "--access", key.id, "--secret", key.secret, "--region", key.region]
    this.#child = spawn(binary, [...args, "--health", "/health", "--quiet", "posix", this.dir], { stdio: ["ignore", "pipe", "pipe"] })
    let ended = ""
    this.#child.once("error", (err) => (ended = err.message))
    this.#child.once("exit", (code, signal) => (ended = `ended with ${signal ?? code}`))
    for (const pipe of [this.#child.stdout, this.#child.stderr]) {
      pipe.setEncoding("utf8")
      pipe.on("data", (text) => {
        this.#log = (this.#log + text).slice(-logCharsMax)
      })
    }
    const until = Date.now() + readyMs
    while (Date.now() < until && !ended) {
      const answer = await fetch(`http://${this.address}/health`, { signal: AbortSignal.timeout(1000) }).catch(() => null)
      await answer?.arrayBuffer()
      if (answer?.ok) return
      await delay(20)
    }
    throw new Error(`gateway: start ${binary}: ${ended || "no answer"}\n${this.#log}`)
  }

  kill() {
    this.#child?.kill("SIGKILL")
  }
}

// judgeTier answers what is wrong with the status of a server whose tests should have crossed the
// bucket, and a line that counts.
export function judgeTier(status) {
  const problems = []
  const demand = (ok, what) => ok || problems.push(`bucket: ${what}: ${JSON.stringify(status)}`)
  demand(status?.phase === "ready", "not ready")
  demand(status?.remote_bytes > 0, "nothing has left the disk")
  demand(status?.cache_misses > 0 && status?.fetched_bytes > 0, "no read has crossed it")
  demand(status?.covered_at_ms > 0, "nothing was published")
  demand(status?.requests?.delete?.ok > 0, "nothing was deleted")
  demand(status?.lost_objects === 0 && status?.unavailable_reads === 0, "lost or unavailable")
  const puts = Object.values(status?.requests?.put ?? {}).reduce((sum, n) => sum + n, 0)
  const summary = `${puts} puts, ${status?.bytes_up} bytes sent, ${status?.cache_misses} reads waited for it and got ${status?.fetched_bytes} bytes, ${status?.cache_hits} did not wait`
  return { problems, summary }
}
