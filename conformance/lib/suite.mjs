// Runs the official suite once, in a vitest process of its own, and reads the verdict from
// vitest's JSON report: exit codes and coloured summaries do not tell a skipped test from a
// test that was never registered.
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { atExit } from "./cleanup.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const vitest = join(root, "node_modules", "vitest", "vitest.mjs")
const outputCharsMax = 64 * 1024

// runSuite answers {passed, failed, skipped, failures: [{name, ms, message}], error}.
// testTimeoutMs undefined means vitest's own default. error is set when there is no verdict.
export async function runSuite({ url, longPollTimeoutMs, testTimeoutMs }) {
  const home = mkdtempSync(join(tmpdir(), "tailrace-conformance-"))
  const remove = atExit(() => rmSync(home, { recursive: true, force: true }))
  const report = join(home, "report.json")
  try {
    const args = [vitest, "run", "suite.test.js", "--root", root, "--reporter=json", `--outputFile=${report}`]
    if (testTimeoutMs !== undefined) args.push(`--testTimeout=${testTimeoutMs}`)
    const env = { ...process.env, CONFORMANCE_TEST_URL: url, LONG_POLL_TIMEOUT_MS: String(longPollTimeoutMs) }
    const { how, output } = await run(args, env)
    let parsed
    try {
      parsed = JSON.parse(readFileSync(report, "utf8"))
    } catch (err) {
      return { passed: 0, failed: 0, skipped: 0, failures: [], error: `no report (${err.message}), vitest ended with ${how}\n${output}` }
    }
    return verdict(parsed, how, output)
  } finally {
    remove()
  }
}

function run(args, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] })
    const kill = atExit(() => child.kill("SIGKILL"))
    let output = ""
    for (const pipe of [child.stdout, child.stderr]) {
      pipe.setEncoding("utf8")
      pipe.on("data", (text) => {
        output = (output + text).slice(-outputCharsMax)
      })
    }
    const end = (how) => {
      kill() // of an ended process: nothing
      resolve({ how, output })
    }
    child.once("error", (err) => end(err.message))
    child.once("close", (code, signal) => end(signal ?? code))
  })
}

// verdict counts the tests one by one and not by the report's totals, so that a status this
// file does not know becomes a failure and never disappears.
export function verdict(report, how, output) {
  const result = { passed: 0, failed: 0, skipped: 0, failures: [], error: "" }
  for (const file of report.testResults) {
    if (file.message) result.error += `${file.message}\n`
    for (const test of file.assertionResults) {
      if (test.status === "passed") result.passed++
      else if (test.status === "skipped" || test.status === "pending") result.skipped++
      else {
        result.failed++
        result.failures.push({ name: test.fullName, ms: Math.round(test.duration ?? 0), message: reason(test) })
      }
    }
  }
  // vitest also fails for errors outside any test, such as an unhandled rejection.
  if (!result.error && result.failed === 0 && how !== 0) result.error = `every test passed, but vitest ended with ${how}\n${output}`
  return result
}

// vitest's report of a test that ran out of time has a place instead of a reason.
function reason(test) {
  const messages = test.failureMessages.join("\n").replaceAll("STACK_TRACE_ERROR", "out of time")
  return messages || test.status
}
