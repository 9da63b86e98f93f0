// Event streams as a browser reads them, while the page appends.
import { digest, kinds } from "./kinds.mjs"

const appends = 12 // per stream; the page waits for each to arrive

export async function checkLive({ tab, problems, counts }, prefix, draw) {
  for (const [i, kind] of kinds.entries()) {
    const bodies = Array.from({ length: appends }, (_, n) => kind.body(draw, n))
    const stream = `${prefix}/${i}`
    const base64 = bodies.map((body) => body.toString("base64"))
    const followers = await tab.call("follow", stream, kind.contentType, base64)
    const head = await fetch(stream, { method: "HEAD" })
    const expected = { kind, want: kind.join(bodies), tail: head.headers.get("stream-next-offset") }
    for (const follower of followers) {
      const by = `${kind.contentType} followed by ${follower.name}`
      judge(follower, expected, (problem) => problems.push(`${by}: ${problem}`))
      const what = `events by ${follower.name}`
      counts[what] = (counts[what] ?? 0) + follower.events.length
    }
  }
}

function judge({ name, events, ended, problem, encoding }, { kind, want, tail }, say) {
  if (problem) say(problem)
  if (!ended) say("the response did not end")
  const coded = kind.contentType === "application/octet-stream" ? "base64" : null
  if (name === "fetch" && encoding !== coded) say(`the encoding is announced as ${encoding}`)
  const of = (type) => events.filter(([its]) => its === type).map(([, data]) => data)
  const got = kind.joinPages(of("data").map((data) => Buffer.from(data, coded ?? "utf8")))
  if (!got.equals(want)) {
    const bytes = `${got.length} bytes with digest ${digest(got)}`
    say(`${bytes}, appended were ${want.length} with ${digest(want)}`)
  }
  const controls = of("control").map((data) => JSON.parse(data))
  const offsets = controls.map(({ streamNextOffset }) => streamNextOffset)
  const back = offsets.some((offset, i) => i > 0 && offset < offsets[i - 1])
  if (back) say(`the offset goes back: ${offsets}`)
  const last = controls.pop()
  if (last?.streamClosed !== true || last.streamNextOffset !== tail) {
    say(`the last control event is ${JSON.stringify(last)}, the tail ${tail}`)
  }
  if (events.at(-1)?.[0] !== "control") say("something follows the last control event")
  if (controls.some(({ streamClosed }) => streamClosed)) say("closed before the last control event")
}
