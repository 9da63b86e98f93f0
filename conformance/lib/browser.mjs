// What a page in a browser gets of a server: replays in the codings that the browser negotiates by
// itself and through its cache, and the checks of across.mjs and live.mjs.
import { setTimeout as delay } from "node:timers/promises"
import { checkAcross } from "./across.mjs"
import { otherHost, Tab } from "./chromium.mjs"
import { digest, kinds, write } from "./kinds.mjs"
import { checkLive } from "./live.mjs"
import { random } from "./messages.mjs"

const appends = 600 // per stream: 4 to 6 MiB
const compressedFrom = 1024 // the smallest body that the server compresses
const flushMs = 20_000 // for enough to be merged that a stream has blocks of its own

// checkBrowser answers what is wrong, lines that tell what was negotiated, and one that counts.
// flushes tells that the server moves to segments what it is given; else nothing must have left
// its memory.
export async function checkBrowser({ browser, url, flushes, seed }) {
  const tab = await Tab.open(browser)
  const check = { tab, flushes, problems: [], lines: [], counts: {} }
  try {
    await checkReplays(check, url, random(seed))
    await checkAcross(check, `${url}/v1/stream/browser/across`)
    await checkLive(check, `${url}/v1/stream/browser/live`, random(seed))
  } catch (err) {
    check.problems.push(err.stack) // the last of them: nothing more can be asked
  } finally {
    await tab.close()
  }
  const { problems, lines, counts } = check
  return { problems, lines, summary: `${counted(counts)}, --seed ${seed}` }
}

function counted(counts) {
  return Object.entries(counts).map(([what, n]) => `${n} ${what}`).join(", ") || "nothing"
}

function count(counts, what) {
  counts[what] = (counts[what] ?? 0) + 1
}

async function checkReplays(check, url, draw) {
  const written = kinds.map((kind, i) => {
    const bodies = Array.from({ length: appends }, (_, n) => kind.body(draw, n))
    return { kind, bodies, path: `/v1/stream/browser/replay/${i}`, want: kind.join(bodies) }
  })
  // Side by side, so that each begins in the oldest segment, which merges make the largest one.
  await Promise.all(written.map(({ kind, bodies, path }) => write(url + path, kind, bodies)))
  if (check.flushes) await Promise.all(written.map(({ path }) => stored(url + path)))
  const other = new URL(url)
  other.hostname = otherHost
  for (const base of [url, other.origin]) {
    const { hostname } = new URL(base)
    const way = { host: hostname, accept: new Set(), sent: {}, confirmed: {}, bytes: 0 }
    for (const { kind, path, want } of written) {
      const say = (problem) => check.problems.push(`${kind.contentType} by ${way.host}: ${problem}`)
      const before = way.sent.zstd ?? 0
      const got = kind.joinPages(await replay(base + path, way, check))
      way.bytes += got.length
      if (!got.equals(want)) say(`${described(got)}, appended were ${described(want)}`)
      const zstd = (way.sent.zstd ?? 0) - before
      const due = check.flushes && offers(way, "zstd")
      if (due && zstd === 0) say("nothing of what is stored came as zstd")
      if (!check.flushes && zstd > 0) say("zstd of what should be in memory")
    }
    judge(way, check)
  }
}

const described = (bytes) => `${bytes.length} bytes with digest ${digest(bytes)}`

// offers answers whether every request that the browser sent that way offered a coding.
function offers({ accept }, coding) {
  return [...accept].every((list) => list.split(/\s*,\s*/).includes(coding))
}

function judge(way, { problems, lines }) {
  const say = (problem) => problems.push(`by ${way.host}: ${problem}`)
  const asked = [...way.accept].map((list) => JSON.stringify(list)).join(" and ")
  for (const [coding, n] of Object.entries(way.sent)) {
    const offered = coding === "identity" || offers(way, coding)
    if (!offered) say(`sent as ${coding}, asked for was ${asked}`)
    // What is merged meanwhile has other tags, but that is never all there is.
    if (!way.confirmed[coding]) say(`not one of ${n} answers in ${coding} was confirmed by a 304`)
  }
  if (!way.sent.gzip && !way.sent.zstd) say("nothing was compressed")
  const sent = `sends ${way.bytes} bytes as ${counted(way.sent)}`
  lines.push(`${way.host} is asked for ${asked}, ${sent}, confirms ${counted(way.confirmed)}`)
}

// stored returns when the beginning of the stream is sent as it is stored, or it takes too long:
// what then comes to the browser says more.
async function stored(stream) {
  for (const until = Date.now() + flushMs; Date.now() < until; await delay(50)) {
    const response = await fetch(`${stream}?offset=-1`, { headers: { "accept-encoding": "zstd" } })
    await response.body.cancel()
    if (response.headers.get("content-encoding") === "zstd") return
  }
}

// replay reads from the beginning to the tail and answers the pages, as far as it gets.
async function replay(stream, way, { tab, problems, counts }) {
  const pages = []
  for (let offset = "-1"; ; ) {
    const target = `${stream}?offset=${offset}`
    const say = (problem) => problems.push(`${target}: ${problem}`)
    const got = await tab.get(target)
    if (got.status !== 200) {
      say(got.failure ?? `status ${got.status}`)
      return pages
    }
    const exchange = await tab.network.take(target)
    const coding = exchange.response["content-encoding"] ?? "identity"
    count(way.sent, coding)
    count(counts, coding)
    way.accept.add(exchange.request["accept-encoding"] ?? "")
    const size = got.body.length
    if (coding === "identity" && size >= compressedFrom) say(`${size} bytes are not compressed`)
    if (await confirmed(target, got, tab, say)) {
      count(way.confirmed, coding)
      count(counts, "confirmed by 304")
    }
    pages.push(got.body)
    const next = got.headers["stream-next-offset"]
    if (got.headers["stream-up-to-date"] === "true") return pages
    if (!next || next === offset) {
      say(`no way on from the offset ${next}`)
      return pages
    }
    offset = next
  }
}

// confirmed has the browser ask whether what is in its cache is still so, and answers whether that
// was a 304, after which the page must have the same once more. It need not be one: data that
// leaves memory is sent in other pieces, which have other tags.
async function confirmed(target, got, tab, say) {
  const again = await tab.get(target, { cache: "no-cache" })
  const { status, request } = await tab.network.take(target)
  if (again.failure) say(`asked again: ${again.failure}`)
  const tag = got.headers.etag
  const asked = request["if-none-match"]
  if (!/^"[^"]+"$/.test(tag ?? "")) say(`the tag is ${tag}`)
  if (asked !== tag) say(`asked again with the tag ${asked}, want ${tag}`)
  if (status !== 304) {
    const tagNow = again.headers.etag
    if (status !== 200 || tagNow === tag) say(`asked again: status ${status}, tag ${tagNow}`)
    return false
  }
  const compare = (what, now, before) => {
    if (now !== before) say(`after a 304 the ${what} is ${now}, before ${before}`)
  }
  compare("status", again.status, got.status)
  compare("body", described(again.body), described(got.body))
  for (const name of ["etag", "stream-next-offset", "stream-up-to-date"]) {
    compare(name, again.headers[name], got.headers[name])
  }
  return true
}
