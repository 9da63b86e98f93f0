// The official suite against a built tailrace, or any server: see README.md.
import { dirname, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { plantCanaries } from "./lib/canaries.mjs"
import { checkCodings } from "./lib/codings.mjs"
import { chosen, names } from "./lib/configurations.mjs"
import { judgeTier } from "./lib/gateway.mjs"
import { Server } from "./lib/server.mjs"
import { runSuite } from "./lib/suite.mjs"

const here = dirname(fileURLToPath(import.meta.url))

// What suite 0.3.6 registers without its subscription option. Fewer tests than that is a
// failure too: a suite that was not loaded passes every test it has.
const expected = { passed: 332, failed: 0, skipped: 6 }

const usage = `usage: node run.mjs [--binary PATH] [--only ${names}]
       node run.mjs --url URL [--long-poll-timeout-ms 30000] [--test-timeout-ms 40000]`

function options() {
  let values
  try {
    values = parseArgs({
      options: {
        url: { type: "string" },
        binary: { type: "string" },
        only: { type: "string" },
        "long-poll-timeout-ms": { type: "string" },
        "test-timeout-ms": { type: "string" },
      },
    }).values
  } catch (err) {
    refuse(err.message)
  }
  try {
    chosen(values.only)
  } catch (err) {
    refuse(err.message)
  }
  if (values.url && (values.binary || values.only)) refuse("--url does not go with --binary or --only")
  if (!values.url && (values["long-poll-timeout-ms"] || values["test-timeout-ms"])) refuse("the timeouts go with --url only")
  return values
}

function refuse(problem) {
  console.error(`${problem}\n${usage}`)
  process.exit(2)
}

function milliseconds(text, fallback) {
  if (text === undefined) return fallback
  if (!/^[1-9][0-9]*$/.test(text)) refuse(`not a number of milliseconds: ${text}`)
  return Number(text)
}

// report prints one configuration and answers whether it passed.
function report(name, result, demanded, problems, took = "") {
  for (const { name: test, ms, message } of result.failures) {
    console.log(`FAIL ${name}: ${test} (${ms} ms)`)
    console.log(message.split("\n").slice(0, 6).map((line) => `     ${line}`).join("\n"))
  }
  if (result.error) problems.push(result.error)
  const counts = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed, ${skipped} skipped`
  if (demanded && counts(result) !== counts(demanded)) problems.push(`want ${counts(demanded)}`)
  if (result.failures.length > 0) problems.push("tests failed")
  if (result.passed === 0) problems.push("nothing passed")
  for (const problem of problems) console.log(`conformance ${name}: ${problem}`)
  console.log(`conformance ${name}: ${counts(result)}${took}`)
  return problems.length === 0
}

async function againstBinary(binary, { name, flags, bucket, access, longPollTimeoutMs, testTimeoutMs }) {
  const began = Date.now()
  const problems = []
  let server
  let result
  try {
    server = await Server.create({ binary, flags, bucket, access })
    await server.start()
    result = await runSuite({ url: server.url, longPollTimeoutMs, testTimeoutMs })
    const codings = await checkCodings({ url: server.url, seed: Math.floor(Math.random() * 2 ** 32) })
    problems.push(...codings.problems.map((problem) => `codings: ${problem}`))
    console.log(`codings ${name}: ${codings.summary}`)
    if (bucket) {
      const crossed = judgeTier((await server.status()).bucket)
      problems.push(...crossed.problems)
      console.log(`bucket ${name}: ${crossed.summary}`)
    }
    if (access) {
      // Nothing was killed: a client that was cut off would be one by the server.
      problems.push(...server.doorman.broken.map((what) => `doorman: ${what}`))
      const canaries = await plantCanaries(server)
      problems.push(...canaries.problems)
      console.log(`canaries ${name}: ${canaries.summary}`)
    }
  } catch (err) {
    result ??= { passed: 0, failed: 0, skipped: 0, failures: [], error: "" }
    result.error += err.stack
  }
  const wrong = await server?.stop()
  if (wrong) problems.push(wrong)
  console.log(`server ${name}: ${server?.account}`)
  const good = report(name, result, expected, problems, ` in ${Math.round((Date.now() - began) / 1000)} s`)
  if (!good && server?.log) console.log(`--- log of the ${name} server ---\n${server.log.trimEnd()}\n---`)
  return good
}

const flags = options()
let verdicts
if (flags.url) {
  const url = flags.url.replace(/\/+$/, "") // the suite appends /v1/stream/…
  // Without an answer the suite's clients would retry for the better part of an hour.
  await fetch(url, { signal: AbortSignal.timeout(10_000) }).catch((err) => {
    console.error(`conformance ${url}: no answer: ${err.cause?.message ?? err.message}`)
    process.exit(1)
  })
  const result = await runSuite({
    url,
    longPollTimeoutMs: milliseconds(flags["long-poll-timeout-ms"], 30_000),
    testTimeoutMs: milliseconds(flags["test-timeout-ms"], 40_000),
  })
  verdicts = [report(url, result, undefined, [])]
} else {
  const binary = resolve(flags.binary ?? resolve(here, "..", "bin", "tailrace"))
  // Two side by side, each with its own server: most of the slow one is waiting for timeouts to
  // pass, and the others share what it leaves.
  const waiting = chosen(flags.only)
  verdicts = []
  const lane = async () => {
    for (let one = waiting.shift(); one; one = waiting.shift()) verdicts.push(await againstBinary(binary, one))
  }
  await Promise.all([lane(), lane()])
}
process.exitCode = verdicts.every(Boolean) ? 0 : 1
