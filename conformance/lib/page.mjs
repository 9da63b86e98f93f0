// What runs in the page. It is served to the browser, and has nothing of Node. Bodies pass in and
// out as base64, since that is how they come through the debugging protocol whole.

const patienceMs = 20_000 // for an event that is due at once

// get sends any request and answers what the page may see of the response, or how fetch failed.
export async function get(target, init) {
  try {
    const response = await fetch(target, init)
    return {
      status: response.status,
      type: response.type,
      headers: Object.fromEntries(response.headers),
      body: await toBase64(await response.arrayBuffer()),
    }
  } catch (err) {
    return { status: "none", type: "none", headers: {}, body: "", failure: String(err) }
  }
}

// follow appends to a stream while it is followed from the beginning, by EventSource and by fetch,
// and closes it. Each append waits for the one before to arrive. The answer is what either was
// given, as far as it got.
export async function follow(stream, contentType, bodies) {
  const send = async (method, more, body) => {
    const headers = { "content-type": contentType, ...more }
    const response = await fetch(stream, { method, headers, body })
    if (!response.ok) throw new Error(`${method} ${stream}: ${response.status}`)
  }
  const target = `${stream}?offset=-1&live=sse`
  await send("PUT", {}, fromBase64(bodies[0]))
  const followers = [byEventSource(target), byFetch(target)]
  try {
    for (const [n, body] of bodies.entries()) {
      if (n > 0) await send("POST", {}, fromBase64(body))
      const arrived = (one) => one.count("data") > n && one.count("control") > n
      await Promise.all(followers.map((one) => one.until(() => arrived(one))))
    }
    await send("POST", { "stream-closed": "true" })
    await Promise.all(followers.map((one) => one.until(() => one.ended)))
  } catch (err) {
    followers[0].problem ??= String(err)
  }
  for (const one of followers) one.stop()
  return followers.map(({ name, events, ended, problem, encoding }) => {
    return { name, events, ended, problem, encoding }
  })
}

class Follower {
  events = [] // [type, data]
  ended = false // the response ended the way that a complete one does
  #wake = () => {}

  constructor(name) {
    this.name = name
  }

  push(type, data) {
    this.events.push([type, data])
    this.#wake()
  }

  end() {
    this.ended = true
    this.#wake()
  }

  fail(problem) {
    this.problem ??= problem
    this.#wake()
  }

  count(type) {
    return this.events.filter(([its]) => its === type).length
  }

  async until(holds) {
    const late = () => this.fail(`nothing more after ${this.events.length} events`)
    const timer = setTimeout(late, patienceMs)
    while (!holds() && !this.problem) await new Promise((resolve) => (this.#wake = resolve))
    clearTimeout(timer)
    if (this.problem) throw new Error(this.problem)
  }
}

// An EventSource does not tell a complete response from one that broke off: it has an error event
// for both, and then connects anew.
function byEventSource(target) {
  const follower = new Follower("EventSource")
  const source = new EventSource(target)
  for (const type of ["data", "control"]) {
    source.addEventListener(type, ({ data }) => follower.push(type, data))
  }
  source.addEventListener("message", ({ data }) => follower.fail(`event without a type: ${data}`))
  source.addEventListener("error", () => {
    source.close()
    const [, last] = follower.events.at(-1) ?? []
    if (last && JSON.parse(last).streamClosed) follower.end()
    else follower.fail(`an error after ${follower.events.length} events`)
  })
  follower.stop = () => source.close()
  return follower
}

function byFetch(target) {
  const follower = new Follower("fetch")
  const abort = new AbortController()
  const read = async () => {
    const response = await fetch(target, { signal: abort.signal })
    follower.encoding = response.headers.get("stream-sse-data-encoding")
    const type = response.headers.get("content-type")
    if (response.status !== 200 || type !== "text/event-stream") {
      throw new Error(`${response.status} of type ${type}`)
    }
    let rest = ""
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      const blocks = (rest + value).split("\n\n")
      rest = blocks.pop()
      for (const block of blocks) parse(block, follower)
    }
    if (rest !== "") throw new Error(`the end is no event: ${rest}`)
    follower.end()
  }
  read().catch((err) => follower.fail(String(err)))
  follower.stop = () => abort.abort()
  return follower
}

function parse(block, follower) {
  const lines = block.split("\n").filter((line) => !line.startsWith(":"))
  const values = (field) => {
    const its = lines.filter((line) => line.startsWith(`${field}:`))
    return its.map((line) => line.slice(field.length + 1).replace(/^ /, ""))
  }
  if (lines.length > 0) follower.push(values("event").join(), values("data").join("\n"))
}

function toBase64(bytes) {
  return new Promise((resolve) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1))
    reader.readAsDataURL(new Blob([bytes]))
  })
}

const fromBase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
