// The fetch that every client of the crash test goes through. It changes nothing and watches
// what no client reports: whether a restarted server still knows what it acknowledged, whether
// the kills reached the connections at all, and whether a cut event stream looks cut.
import { FetchError, createFetchWithBackoff } from "@durable-streams/client"

// The client's defaults, except that the wait is capped: its 60 s would let one unlucky draw
// outlast the test.
export const backoffOptions = { initialDelay: 50, maxDelay: 500, multiplier: 1.3, maxRetries: Infinity }

const lastEventChars = 300 // room for a control event
const rotationMs = 30_000 // a server may end an event stream to rotate it, but not that early

export class Wire {
  counts = { requests: 0, cut: 0, sse: 0, longPoll: 0, acknowledged: 0, landedTwice: 0 }
  #reject
  #acknowledged = new Map() // "url producer epoch" → highest acknowledged seq

  constructor() {
    // A lie in an answer usually leaves a client waiting for ever. Who awaits this hears of it now.
    this.violated = new Promise((_, reject) => {
      this.#reject = reject
    })
    this.violated.catch(() => {}) // nobody may be waiting yet
  }

  fetch = async (url, init = {}) => {
    this.counts.requests++
    const batch = producerOf(url, init)
    const before = batch && (this.#acknowledged.get(batch.key) ?? -1)
    let response
    try {
      response = await fetch(url, init)
    } catch (err) {
      this.counts.cut++
      throw err
    }
    if (response.status === 500) this.violate(`${init.method} ${url}: 500`)
    if (batch) this.#judge(batch, before, response)
    if (new URL(url).searchParams.get("live") === "long-poll" && response.ok) this.counts.longPoll++
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response
    this.counts.sse++
    return this.#watchEvents(url, response)
  }

  // producerFetch is for the IdempotentProducer, which leaves retrying to the fetch it is given.
  // The package's own retrying fetch throws for a 4xx, while the producer wants to look at it: a
  // 403 says which epoch to claim, a 409 which batch to wait for.
  producerFetch = async (url, init) => {
    try {
      return await this.#retrying(url, init)
    } catch (err) {
      if (!(err instanceof FetchError)) throw err
      return new Response(err.text, { status: err.status, headers: err.headers })
    }
  }

  #retrying = createFetchWithBackoff(this.fetch, backoffOptions)

  violate = (what) => this.#reject(new Error(what))

  // A kill must not look like the end of an event stream: the client takes what it has of a cut
  // event for all of it, and asks for the same bytes again. Fetch tells the two apart by the last
  // chunk, unless the response says Connection: close, which makes any end a good one.
  #watchEvents(url, response) {
    const from = Date.now()
    const decoder = new TextDecoder()
    let last = ""
    const watch = new TransformStream({
      transform: (bytes, controller) => {
        last = (last + decoder.decode(bytes, { stream: true })).slice(-lastEventChars)
        controller.enqueue(bytes)
      },
      flush: () => {
        if (/"streamClosed":\s*true/.test(last) || Date.now() - from > rotationMs) return
        this.violate(`${url}: the event stream of a killed server ended like a complete one, after: ${JSON.stringify(last)}`)
      },
    })
    return new Response(response.body.pipeThrough(watch), { status: response.status, headers: response.headers })
  }

  // A seq that was acknowledged before this request was sent stays acknowledged. The producer
  // itself would wait for it politely and for ever.
  #judge({ key, seq }, before, response) {
    if (response.ok) {
      this.counts.acknowledged++
      if (response.status === 204 && !response.headers.has("stream-closed")) this.counts.landedTwice++
      this.#acknowledged.set(key, Math.max(seq, this.#acknowledged.get(key) ?? -1))
    }
    const wanted = response.headers.get("producer-expected-seq")
    if (response.status === 409 && wanted !== null && Number(wanted) <= before) {
      this.violate(`${key}: seq ${before} was acknowledged, now the server expects ${wanted}`)
    }
  }
}

function producerOf(url, init) {
  const headers = new Headers(init.headers)
  if (!headers.has("producer-id")) return undefined
  const seq = Number(headers.get("producer-seq"))
  return { key: `${url} ${headers.get("producer-id")} epoch ${headers.get("producer-epoch")}`, seq }
}
