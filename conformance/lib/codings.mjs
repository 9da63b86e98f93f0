// Replays streams in every content coding by HTTP clients that are not ours, and compares them
// byte by byte with what was appended.
import { request } from "node:http"
import zlib from "node:zlib"
import { digest, kinds, write } from "./kinds.mjs"
import { random } from "./messages.mjs"

const appends = 240 // per stream: more than one response holds
const compressedFrom = 1024 // the smallest body that the server compresses
const zstdMagic = "28b52ffd"
const unzstd = zlib.zstdDecompressSync // not in every Node

// A way is how a replay is asked for. wants is the coding to be expected of a body that is large
// enough, undefined if it is up to the server.
const ways = [
  { name: "fetch by default", get: byFetch, headers: {}, wants: "gzip" },
  { name: "fetch of gzip", get: byFetch, headers: { "accept-encoding": "gzip" }, wants: "gzip" },
  { name: "fetch of identity", get: byFetch, headers: { "accept-encoding": "identity" }, wants: "identity" },
  { name: "fetch of anything but", get: byFetch, headers: { "accept-encoding": "gzip;q=0, *;q=0" }, wants: "identity" },
  { name: "http of zstd", get: byHTTP, headers: { "accept-encoding": "zstd" }, wants: undefined },
]

// checkCodings answers what is wrong, and a line that counts. It throws if the server does not
// answer.
export async function checkCodings({ url, seed }) {
  const draw = random(seed)
  const check = { problems: [], tags: new Map(), counts: {}, notModified: 0, undecoded: 0 }
  for (const [i, kind] of kinds.entries()) {
    const stream = `${url}/v1/stream/codings/${seed}/${i}`
    const bodies = Array.from({ length: appends }, (_, n) => kind.body(draw, n))
    await write(stream, kind, bodies)
    const want = kind.join(bodies)
    for (const way of ways) {
      const pages = await replay(stream, way, check)
      if (!pages) continue // what could not be decoded was counted
      const got = kind.joinPages(pages)
      if (digest(got) !== digest(want)) {
        check.problems.push(`${kind.contentType} by ${way.name}: ${got.length} bytes with digest ${digest(got)}, appended were ${want.length} with ${digest(want)}`)
      }
    }
    await head(stream, check)
  }
  for (const coding of ["gzip", "identity"]) {
    if (!check.counts[coding]) check.problems.push(`nothing was sent as ${coding}`)
  }
  if (check.notModified === 0) check.problems.push("no tag was ever a match")
  const counted = Object.entries(check.counts).map(([coding, n]) => `${n} ${coding}`)
  const undecoded = check.undecoded > 0 ? `, ${check.undecoded} as zstd not decoded, since this Node cannot` : ""
  const summary = `${counted.join(", ")} responses, ${check.notModified} not modified${undecoded}, --seed ${seed}`
  return { problems: check.problems, summary }
}

// replay reads from the beginning to the tail. It answers the pages, decoded, or undefined if one
// of them could not be.
async function replay(stream, way, check) {
  const pages = []
  let complete = true
  for (let offset = "-1"; ; ) {
    const target = `${stream}?offset=${offset}`
    const response = await way.get(target, way.headers)
    const say = (problem) => check.problems.push(`${target} by ${way.name}: ${problem}`)
    if (response.status !== 200) {
      say(`status ${response.status}`)
      return undefined
    }
    judge(response, way, check, say)
    await revalidate(target, way, response, check, say)
    if (response.body) pages.push(response.body)
    else complete = false
    const next = response.headers.get("stream-next-offset")
    if (response.headers.get("stream-up-to-date") === "true") break
    if (!next || next === offset) {
      say(`no way on from the offset ${next}`)
      return undefined
    }
    offset = next
  }
  return complete ? pages : undefined
}

function judge({ headers, body, undecoded }, way, check, say) {
  const coding = headers.get("content-encoding") ?? "identity"
  check.counts[coding] = (check.counts[coding] ?? 0) + 1
  if (undecoded) check.undecoded++
  if (headers.get("vary") !== "Accept-Encoding") say(`Vary is ${headers.get("vary")}`)
  const tag = headers.get("etag")
  if (!/^"[^"]+"$/.test(tag ?? "")) say(`the tag is ${tag}`)
  const before = check.tags.get(tag)
  if (before !== undefined && before !== coding) say(`the tag ${tag} is that of ${before} and of ${coding}`)
  check.tags.set(tag, coding)
  const wants = body && body.length < compressedFrom && way.wants === "gzip" ? "identity" : way.wants
  if (wants !== undefined && coding !== wants) say(`sent as ${coding}, want ${wants}`)
  if (coding !== "identity" && coding !== "gzip" && coding !== "zstd") say(`sent as ${coding}`)
}

// A tag stands for what was sent. It need not be a match for ever: data that leaves memory may be
// sent in other pieces.
async function revalidate(target, way, { headers }, check, say) {
  const tag = headers.get("etag")
  const again = await way.get(target, { ...way.headers, "if-none-match": `"x", W/${tag}` })
  const same = again.headers.get("etag") === tag
  if (again.status === 304 && same) check.notModified++
  else if (again.status !== 200 || same) say(`asked again with its tag: status ${again.status}, tag ${again.headers.get("etag")}`)
  if (again.headers.get("vary") !== "Accept-Encoding") say(`asked again: Vary is ${again.headers.get("vary")}`)
}

async function head(stream, check) {
  const response = await fetch(stream, { method: "HEAD" })
  const coding = response.headers.get("content-encoding")
  if (response.status !== 200 || coding !== null) check.problems.push(`HEAD ${stream}: status ${response.status}, coding ${coding}`)
}

// byFetch reads by Node's fetch, which decodes by itself.
async function byFetch(target, headers) {
  const response = await fetch(target, { headers })
  return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) }
}

// byHTTP reads by node:http, which decodes nothing.
function byHTTP(target, headers) {
  return new Promise((resolve, reject) => {
    const sent = request(target, { headers, agent: false }, async (response) => {
      try {
        const chunks = []
        for await (const chunk of response) chunks.push(chunk)
        const bytes = Buffer.concat(chunks)
        const got = { status: response.statusCode, headers: new Headers(response.headers) }
        resolve({ ...got, ...decode(bytes, got) })
      } catch (err) {
        reject(err)
      }
    })
    sent.once("error", reject)
    sent.end()
  })
}

function decode(bytes, { status, headers }) {
  if (status !== 200 || headers.get("content-encoding") !== "zstd") return { body: bytes }
  if (bytes.subarray(0, 4).toString("hex") !== zstdMagic) throw new Error(`codings: zstd that begins with ${bytes.subarray(0, 4).toString("hex")}`)
  return unzstd ? { body: unzstd(bytes) } : { undecoded: true }
}
