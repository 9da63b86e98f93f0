// The scan of logs finds what it is there for, whole or cut into pieces, and never prints it.
import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "node:test"
import { Access, apiKey, signToken } from "./access.mjs"
import { Scan } from "./secrets.mjs"

const strangers = {
  "an API key": apiKey(randomBytes(32)),
  "a token": signToken(randomBytes(32), { project: "other" }),
  "a token in a query": "/v1/stream/a?offset=-1&token=abc",
  "a token in a cookie": "cookie: __Secure-tailrace=abc; x=1",
  "an Authorization header": '"Authorization":["Bearer abc"]',
}

function scanned(pieces, know = () => {}) {
  const scan = new Scan()
  know(scan)
  const reader = scan.reader()
  for (const piece of pieces) reader.take(piece)
  reader.end()
  return scan
}

for (const [what, text] of Object.entries(strangers)) {
  test(`finds ${what} of a stranger`, () => {
    const { problems } = scanned([`time=1 msg=x\nlevel=WARN what="${text}"\nmsg=y\n`])
    assert.equal(problems.length, 1)
    assert.match(problems[0], new RegExp(what))
    assert.ok(!problems[0].includes(text.slice(-12)), problems[0])
  })
}

test("finds each secret of a project, however it is written", () => {
  const home = mkdtempSync(join(tmpdir(), "tailrace-conformance-"))
  try {
    const { secrets } = Access.create(home, { credential: "token", tls: true })
    assert.ok(secrets.length >= 9)
    for (const { what, text } of secrets) {
      const scan = scanned([`said ${text.slice(0, 5)}`, `${text.slice(5)} as it ended`], (scan) => scan.know(what, text))
      assert.equal(scan.problems.length, 1, what)
      assert.ok(!scan.problems[0].includes(text) && !scan.mask(`log: ${text}`).includes(text), what)
    }
  } finally {
    rmSync(home, { recursive: true })
  }
})

test("finds one in a line too long to be kept", () => {
  const key = strangers["an API key"]
  const { problems } = scanned(["x".repeat(2 ** 20) + key.slice(0, 9), key.slice(9) + "y".repeat(2 ** 20)])
  assert.ok(problems.length > 0)
})

test("takes nothing else for one", () => {
  const { problems, lines } = scanned([
    'time=1 level=INFO msg=configured auth=true set="[url-tokens=true url-token-life=1m auth-cache-entries=3]"\n',
    '{"msg":"request","code":"unauthorized","route":"token","stream":"acme/canaries-1","subject":"main"}\n',
    "msg=x authorization is off\n",
  ])
  assert.deepEqual(problems, [])
  assert.equal(lines, 3)
})

test("a line is awaited", async () => {
  const scan = new Scan()
  const seen = scan.line("id=7", 60_000)
  scan.reader().take("msg=request id=7\n")
  assert.equal(await seen, true)
  assert.equal(await scan.line("id=8", 1), false)
})
