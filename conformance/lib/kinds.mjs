// What the checks of replays append, by content type, and what a reader has to get of it.
import { createHash } from "node:crypto"

const bodyBytesMax = 24_000 // the smallest log files hold no more

// A kind makes the body of append n, and joins pages to what a reader of one page would see.
export const kinds = [
  {
    contentType: "application/json",
    body: (draw, n) => Buffer.from(JSON.stringify({ n, list: words(draw, size(draw)).split(" ") })),
    join: (bodies) => Buffer.from(`[${bodies.map(String).join(",")}]`),
    joinPages: (pages) => Buffer.from(`[${pages.map((page) => String(page).slice(1, -1)).filter((inner) => inner !== "").join(",")}]`),
  },
  { contentType: "text/plain", body: (draw, n) => Buffer.from(`${n} ${words(draw, size(draw))}\n`), join: Buffer.concat, joinPages: Buffer.concat },
  { contentType: "application/octet-stream", body: noise, join: Buffer.concat, joinPages: Buffer.concat },
]

const size = (draw) => Math.floor(draw() ** 2 * (bodyBytesMax - 1000))

function words(draw, length) {
  let text = ""
  while (text.length < length) text += `${Math.floor(draw() * 1000).toString(36)}·${text.length} `
  return Buffer.from(text).subarray(0, length).toString("latin1").replace(/[^ -~]/g, "-").replace(/["\\]/g, "")
}

// noise is any bytes, and begins again before its end: what does not shrink is not stored as zstd.
function noise(draw) {
  const length = 1 + size(draw)
  const once = Buffer.from(Uint8Array.from({ length: Math.ceil(length * (0.5 + draw() / 2)) }, () => draw() * 256))
  return Buffer.concat([once, once]).subarray(0, length)
}

export const digest = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 16)

// write creates a stream and appends the bodies.
export async function write(stream, { contentType }, bodies) {
  const headers = { "content-type": contentType }
  const send = async (method, body) => {
    const response = await fetch(stream, { method, headers, body })
    if (!response.ok) throw new Error(`${method} ${stream}: ${response.status} ${await response.text()}`)
  }
  await send("PUT")
  for (const body of bodies) await send("POST", body)
}
