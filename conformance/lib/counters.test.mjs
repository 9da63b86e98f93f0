import assert from "node:assert/strict"
import test from "node:test"
import { judgeCounters } from "./counters.mjs"

const good = `# HELP tailrace_http_requests_total requests
tailrace_http_requests_total{route="read",code="200"} 40
tailrace_http_requests_total{route="head",code="404"} 2
tailrace_internal_errors_total 0
tailrace_corrupt_reads_total 0
`

test("requests are added up", () => assert.deepEqual(judgeCounters(good), { problems: [], requests: 42 }))

for (const [what, text] of Object.entries({
  "an internal error": good.replace("internal_errors_total 0", "internal_errors_total 1"),
  "a corrupt read": good.replace("corrupt_reads_total 0", "corrupt_reads_total 3"),
  "no such counter": good.replace("tailrace_internal_errors_total 0\n", ""),
  "a counter that is no number": good.replace("internal_errors_total 0", "internal_errors_total NaN"),
  "no request": good.replace(/\} \d+/g, "} 0"),
  "another page": "404 not found",
})) {
  test(`${what} is a problem`, () => assert.notDeepEqual(judgeCounters(text).problems, []))
}
