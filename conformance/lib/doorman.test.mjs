// The doorman changes what it says and nothing else, holds nothing back, and ends on one side what
// has ended on the other.
import assert from "node:assert/strict"
import { once } from "node:events"
import http from "node:http"
import { connect, createServer } from "node:net"
import test from "node:test"
import { Doorman } from "./doorman.mjs"

// between runs a test with a doorman in front of a server that does with a connection as it is told.
async function between(serve, run, options = {}) {
  const server = createServer(serve).listen(0, "127.0.0.1")
  await once(server, "listening")
  const doorman = await Doorman.start({ port: server.address().port, project: "acme", credential: "CREDENTIAL", ...options })
  try {
    await run(doorman)
  } finally {
    doorman.close()
    server.close()
  }
}

// told answers what the server gets for what a client sends, as it was sent.
async function told(request, options) {
  let got = ""
  await between(
    (socket) =>
      socket.setEncoding("latin1").on("data", (text) => {
        got += text
        if (/\r\n\r\n/.test(got)) socket.end("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
      }),
    async ({ url }) => {
      const client = connect(new URL(url).port, "127.0.0.1")
      client.write(request)
      await once(client, "data")
      client.destroy()
    },
    options,
  )
  return got
}

const ask = (url, options = {}) =>
  new Promise((resolve, reject) => {
    const sent = http.request(url, { agent: false, ...options }, resolve)
    sent.once("error", reject)
    sent.end()
  })

test("a request gets the credential and the project", async () => {
  const got = await told("PUT /v1/stream/a%20b?x=%31 HTTP/1.1\r\nHost: h\r\nX-oDD: 1\r\nstream-forked-from: /v1/stream/c\r\n\r\n", { publicStreams: true })
  assert.match(got, /^PUT \/v1\/stream\/acme\/a%20b\?x=%31 HTTP\/1\.1\r\n/)
  for (const line of ["Host: h", "X-oDD: 1", "stream-forked-from: /v1/stream/acme/c", "Authorization: Bearer CREDENTIAL", "Stream-Access: public-read", "Content-Length: 0"]) {
    assert.ok(got.includes(`\r\n${line}\r\n`), `${line} in ${got}`)
  }
})

test("a client's own credential stays, and a preflight has none", async () => {
  assert.ok(!(await told("GET /x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer own\r\n\r\n")).includes("CREDENTIAL"))
  assert.ok(!(await told("OPTIONS /v1/stream/a HTTP/1.1\r\nHost: h\r\n\r\n")).includes("CREDENTIAL"))
})

test("an answer loses the project, and nothing else", async () => {
  const head = "HTTP/1.1 201 Fine\r\nLocation: https://h/v1/stream/acme/a\r\nX-oDD: 1\r\nContent-Length: 2\r\n\r\nok"
  await between(
    (socket) => socket.once("data", () => socket.end(head)),
    async ({ url }) => {
      const answer = await ask(`${url}/v1/stream/a`)
      assert.equal(answer.statusMessage, "Fine")
      assert.equal(answer.headers.location, `${url}/v1/stream/a`)
      assert.ok(answer.rawHeaders.includes("X-oDD"))
      assert.ok(!answer.rawHeaders.includes("Date"))
    },
  )
})

test("headers and each chunk come at once", async () => {
  let server
  await between(
    (socket) => {
      server = socket
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
    },
    async ({ url }) => {
      const answer = await ask(`${url}/v1/stream/a?live=sse`)
      for (const text of ["one", "two"]) {
        server.write(`3\r\n${text}\r\n`)
        assert.equal(String((await once(answer, "data"))[0]), text)
      }
      server.write("0\r\n\r\n")
      answer.resume()
      await once(answer, "end")
      assert.ok(answer.complete)
    },
  )
})

test("connections are used again, but for those of event streams", async () => {
  let connections = 0
  await between(
    (socket) => {
      connections++
      socket.on("error", () => {}).on("data", () => socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
    },
    async ({ url }) => {
      for (const query of ["", "?live=sse", "", "?offset=-1&live=sse", ""]) {
        const answer = await ask(`${url}/v1/stream/a${query}`)
        answer.resume()
        await once(answer, "end")
      }
    },
  )
  assert.equal(connections, 3)
})

test("a client that leaves is gone for the server", async () => {
  let closed
  const gone = new Promise((resolve) => (closed = resolve))
  await between(
    (socket) => {
      socket.on("error", () => {}).on("close", closed)
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
    },
    async ({ url, broken }) => {
      const answer = await ask(`${url}/v1/stream/a?live=sse`)
      answer.on("error", () => {})
      answer.destroy()
      await gone
      assert.deepEqual(broken, [])
    },
  )
})

test("a server that breaks off does so for the client", async () => {
  await between(
    (socket) => socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")),
    async (doorman) => {
      const answer = await ask(`${doorman.url}/v1/stream/a?live=sse`)
      answer.resume()
      await assert.rejects(once(answer, "end"), /aborted/)
      assert.equal(doorman.broken.length, 1)
    },
  )
  await between(
    (socket) => socket.once("data", () => socket.destroy()),
    async (doorman) => {
      await assert.rejects(ask(`${doorman.url}/v1/stream/a`))
      assert.equal(doorman.broken.length, 1)
    },
  )
})
