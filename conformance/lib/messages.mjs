// The numbered messages of the crash test, and what a reader's list of them must look like.

// random is mulberry32: small, seeded, and the same on every machine.
export function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

// padding of message n is a function of n, so that a reader knows every byte it must see. Up to
// 3,000 bytes: some thousands of messages fill several log files of 1 MiB.
function padding(n) {
  const length = (Math.imul(n + 1, 2654435761) >>> 0) % 1500
  return `${n.toString(36)}·é`.repeat(Math.ceil(length / 4)).slice(0, length)
}

// A format says how message n travels in a stream of its content type. subscribe and collect are
// the client's two ways to read it. decode answers the number of what was read, or undefined
// when its bytes are not those of any message.
export const formats = {
  json: {
    contentType: "application/json",
    encode: (n) => JSON.stringify({ n, pad: padding(n) }),
    subscribe: (response, take) => response.subscribeJson((batch) => take(batch, batch.items)),
    collect: (response) => response.json(),
    decode: (item) => (Number.isInteger(item?.n) && item.pad === padding(item.n) ? item.n : undefined),
  },
  text: {
    contentType: "text/plain",
    encode: (n) => `${n} ${padding(n)}\n`,
    // A chunk holds whole appends, and an append of this test whole lines. A line that a chunk
    // cuts therefore counts as damaged, which it is.
    subscribe: (response, take) => response.subscribeText((chunk) => take(chunk, lines(chunk.text))),
    collect: async (response) => lines(await response.text()),
    decode: (line) => {
      const n = Number.parseInt(line, 10)
      return line === formats.text.encode(n) ? n : undefined
    },
  },
}

// lines keeps each line feed with its line, so that a last line without one stands out.
function lines(text) {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? []
}

// audit compares what a reader saw with 0..total-1. Each number is lost, doubled, or there once;
// disordered counts messages that came after a higher one for the first time, damaged those
// whose bytes are no message of this test.
export function audit(seen, total) {
  const times = new Map()
  let disordered = 0
  let damaged = 0
  let highest = -1
  for (const n of seen) {
    if (n === undefined || n < 0 || n >= total) {
      damaged++
      continue
    }
    if (n < highest && !times.has(n)) disordered++
    highest = Math.max(highest, n)
    times.set(n, (times.get(n) ?? 0) + 1)
  }
  const lost = []
  const doubled = []
  for (let n = 0; n < total; n++) {
    const count = times.get(n) ?? 0
    if (count === 0) lost.push(n)
    if (count > 1) doubled.push(n)
  }
  return { lost, doubled, disordered, damaged }
}
