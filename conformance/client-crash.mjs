// The official client across kill -9 of the server: see README.md.
import { parseArgs } from "node:util"
import { dirname, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { setTimeout as delay } from "node:timers/promises"
import { DurableStream } from "@durable-streams/client"
import { Follower, catchUp } from "./lib/follower.mjs"
import { audit, formats, random } from "./lib/messages.mjs"
import { Server } from "./lib/server.mjs"
import { Wire } from "./lib/wire.mjs"
import { Writer } from "./lib/writer.mjs"

const here = dirname(fileURLToPath(import.meta.url))

function options() {
  try {
    const { values } = parseArgs({
      options: {
        binary: { type: "string", default: resolve(here, "..", "bin", "tailrace") },
        seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
        messages: { type: "string", default: "1800" }, // per stream
        kills: { type: "string", default: "6" },
        "deadline-ms": { type: "string", default: "60000" },
      },
    })
    const whole = (name) => {
      if (!/^[0-9]+$/.test(values[name])) throw new Error(`not a whole number: --${name} ${values[name]}`)
      return Number(values[name])
    }
    return {
      binary: resolve(values.binary),
      seed: whole("seed"),
      total: whole("messages"),
      kills: whole("kills"),
      deadlineMs: whole("deadline-ms"),
    }
  } catch (err) {
    console.error(`${err.message}\nusage: node client-crash.mjs [--binary PATH] [--seed N] [--messages N] [--kills N] [--deadline-ms N]`)
    process.exit(2)
  }
}

const { binary, seed, total, kills, deadlineMs } = options()
console.log(`client crash test: seed ${seed}`) // the plan repeats with it, the machine's timing does not
const draw = random(seed)
const wire = new Wire()
// Log files so small that a run fills several; a body has to fit into one.
const server = await Server.create({ binary, flags: ["--log-file-bytes", "1MiB", "--body-bytes", "512KiB"] })
const actors = [] // writers and followers, to say where each stood when a run does not end
let killed = 0

// crash kills, and in one case of three kills the recovery as well, before it has answered.
async function crash() {
  await server.kill9()
  killed++
  if (draw() < 1 / 3) {
    server.spawn()
    await delay(draw() * 40)
    await server.kill9()
    killed++
  }
  await delay(draw() * 150)
  await server.start()
}

// Kills wait for a place in the sequence and not for a time, so that they hit a stream that is
// being written on a machine of any speed.
async function killer(writers) {
  const appended = () => writers.reduce((sum, writer) => sum + writer.appended, 0)
  const places = Array.from({ length: kills }, () => (0.03 + draw() * 0.94) * total * writers.length).sort((a, b) => a - b)
  for (const place of places) {
    while (appended() < place) await delay(1)
    await server.count() // with the process its counters end
    await delay(draw() * 25)
    await crash()
  }
}

async function scenario() {
  await server.start()
  const writers = Object.entries(formats).map(
    ([name, format]) => new Writer({ url: `${server.url}/v1/stream/crash/${name}`, format, total, wire, random: random(draw() * 2 ** 32) }),
  )
  for (const writer of writers) await writer.create()
  const reading = ({ url, format }, how) => ({ name: `${format.contentType} ${how}`, url, format, fetch: wire.fetch, violate: wire.violate })
  const followers = writers.flatMap((writer) =>
    ["sse", "long-poll"].map((live) => new Follower({ ...reading(writer, `by ${live}`), live })),
  )
  actors.push(...writers, ...followers)

  const following = Promise.all(followers.map((follower) => follower.run()))
  const writing = Promise.all([killer(writers), ...writers.map((writer) => writer.run())])
  // following comes first in the race only to surface its errors early: it cannot end before close.
  await Promise.race([following, writing])
  await writing

  // One more crash while the streams are being closed: closing is retried like an append.
  const [finalOffsets] = await Promise.all([
    Promise.all(writers.map((writer) => writer.close())),
    delay(draw() * 15).then(crash),
  ])
  await following

  const fresh = []
  for (const [i, writer] of writers.entries()) {
    fresh.push(await catchUp(reading(writer, "read afterwards")))
    const head = await DurableStream.head({ url: writer.url, fetch: wire.fetch })
    if (!head.streamClosed) wire.violate(`${writer.url}: closed, and open after the restart`)
    const ends = [head.offset, ...[...followers, ...fresh].filter(({ url }) => url === writer.url).map(({ offset }) => offset)]
    if (ends.some((end) => end !== finalOffsets[i])) wire.violate(`${writer.url}: final offset ${finalOffsets[i]}, readers and HEAD: ${ends}`)
  }
  return { writers, readers: [...followers, ...fresh], resumes: followers.reduce((sum, { resumes }) => sum + resumes, 0) }
}

// judge answers what is wrong, and the lines that count everything.
function judge({ writers, readers, resumes }) {
  let lost = 0
  let doubled = 0
  const problems = []
  const say = (problem) => problems.push(problem)
  for (const { name, seen } of readers) {
    const found = audit(seen, total)
    lost += found.lost.length
    doubled += found.doubled.length
    const list = (numbers) => numbers.slice(0, 10).join(" ") + (numbers.length > 10 ? " …" : "")
    if (found.lost.length > 0) say(`${name}: ${found.lost.length} lost: ${list(found.lost)}`)
    if (found.doubled.length > 0) say(`${name}: ${found.doubled.length} doubled: ${list(found.doubled)}`)
    if (found.disordered > 0) say(`${name}: ${found.disordered} out of order`)
    if (found.damaged > 0) say(`${name}: ${found.damaged} damaged, or never acknowledged`)
  }
  // A run in which the crashes touched nobody proves nothing.
  const { cut, sse, longPoll, acknowledged, landedTwice } = wire.counts
  if (cut === 0 || resumes === 0) say(`no client noticed the kills: ${cut} requests cut, ${resumes} sessions resumed`)
  if (sse === 0 || longPoll === 0) say(`a way of following was not used: ${sse} SSE, ${longPoll} long-poll responses`)
  const fenced = writers.reduce((sum, writer) => sum + writer.fenced, 0)
  const summary = [
    `  ${acknowledged} batches acknowledged (${landedTwice} were retries that had landed), ${cut} requests cut, ${resumes} sessions resumed`,
    `  ${sse} SSE and ${longPoll} long-poll responses, ${fenced} old epochs refused`,
    `client crash test: ${total * writers.length} messages, ${killed} kills, ${lost} lost, ${doubled} doubled`,
  ]
  return { problems, summary }
}

let problems
let summary = []
try {
  const late = delay(deadlineMs, undefined, { ref: false }).then(() => {
    throw new Error(`not finished after ${deadlineMs} ms`)
  })
  ;({ problems, summary } = judge(await Promise.race([scenario(), wire.violated, late])))
  const wrongEnd = await server.stop()
  if (wrongEnd) problems.push(wrongEnd)
  summary.unshift(`  ${server.account}`)
} catch (err) {
  // The crashes may still be going on: from here to the exit nothing gives them a turn.
  problems = [`after ${killed} kills: ${err.stack}`, ...actors.map(String), JSON.stringify(wire.counts)]
}
if (problems.length > 0) {
  console.log(`--- log of the server ---\n${server.log.trimEnd()}\n---`)
  for (const problem of problems) console.log(`  ${problem}`)
  summary.push(`client crash test: failed, --seed ${seed}`)
}
for (const line of summary) console.log(line)
process.exit(problems.length > 0 ? 1 : 0)
