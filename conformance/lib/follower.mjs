// Readers of one stream, by the client's own sessions. A live one follows to the end and resumes
// as the client's documentation says: from the offset of the last batch it was given.
import { stream } from "@durable-streams/client"
import { backoffOptions } from "./wire.mjs"

// Kills come faster than the client's patience with short connections, which is meant for
// proxies that buffer: it would follow by long-poll from the third on.
const sseResilience = { maxShortConnections: Infinity }
const lastBatchMs = 2000 // from the announced end of a session to its last batch

export class Follower {
  seen = []
  resumes = 0
  offset = "-1"
  ended = false

  // live is "sse" or "long-poll".
  constructor({ name, url, live, format, fetch, violate }) {
    Object.assign(this, { name, url, live, format, fetch, violate })
  }

  // run returns when the server said that the stream is closed and everything before was read.
  async run() {
    for (;;) {
      this.ended = await this.#session()
      if (this.ended) return
      this.resumes++
    }
  }

  // A session answers whether it came to the end of the stream. It ends early when a connection
  // is lost: the client retries requests, but not a body that was cut.
  async #session() {
    const { url, live, offset, fetch } = this
    let over = false
    let unsubscribe = () => {}
    try {
      const response = await stream({ url, live, offset, fetch, backoffOptions, sseResilience })
      const end = new Promise((resolve) => {
        unsubscribe = this.format.subscribe(response, (chunk, items) => {
          // The client may still be decoding a batch when it reports that the connection is
          // lost. The offset has not moved, so the next session is given that batch again.
          if (over) return
          // Offsets compare as strings. One that goes back un-says what this reader was told.
          if (chunk.offset < this.offset) this.violate(`${this.name}: the offset went back from ${this.offset} to ${chunk.offset}`)
          for (const item of items) this.seen.push(this.format.decode(item))
          this.offset = chunk.offset
          if (chunk.streamClosed) resolve(true)
        })
      })
      const announced = response.closed.then(() => response.streamClosed)
      if (!(await Promise.race([end, announced]))) return false
      // The client announces the end of a session before it delivers the last batch, and stays
      // silent when that batch is cut off: the wait has an end of its own.
      return await Promise.race([end, later(lastBatchMs)])
    } catch (err) {
      if (isTransport(err)) return false
      throw new Error(`follower: ${this.name}: ${err.message}`, { cause: err })
    } finally {
      over = true
      unsubscribe()
    }
  }

  toString() {
    return `${this.name}: ${this.seen.length} seen up to ${this.offset}, ${this.ended ? "ended" : "still following"}`
  }
}

// catchUp reads a stream once, from its start to its tail, in the shape of a Follower. The
// client's promise helpers stop at the tail by themselves; with live: false they would stop
// after the first page.
export async function catchUp({ name, url, format, fetch }) {
  const response = await stream({ url, fetch, backoffOptions })
  const seen = (await format.collect(response)).map(format.decode)
  return { name, url, seen, offset: response.offset, ended: response.streamClosed }
}

function later(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms, false).unref())
}

// fetch reports a lost connection as a TypeError, at the request or in the middle of a body.
// Anything else the server said on purpose, and no kill excuses it.
function isTransport(err) {
  return err instanceof TypeError
}
