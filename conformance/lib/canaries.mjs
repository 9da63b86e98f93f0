// Gives a server with authentication on every kind of secret that clients send, good ones and bad
// ones, and sees to it that it has logged those very requests, so that the scan of its log means
// something.
import { randomBytes } from "node:crypto"
import http from "node:http"
import https from "node:https"
import { connect } from "node:net"
import { connect as connectTLS } from "node:tls"
import { apiKey, signToken } from "./access.mjs"

const attempts = 30 // a server logs so many lines a second, and the suite may just have had them all
const logMs = 500

// plantCanaries answers what was not as it should be, and a line that counts.
export async function plantCanaries(server) {
  const { access, scan } = server
  const problems = []
  const secret = (what, text = `canary${randomBytes(12).toString("hex")}`) => {
    scan.know(what, text)
    return text
  }
  const name = `${access.project}/canaries-${randomBytes(6).toString("hex")}`
  const stream = `/v1/stream/${name}`
  const bearer = { authorization: `Bearer ${access.credential}` }
  const json = { ...bearer, "content-type": "application/json" }
  const payload = secret("the canary of a payload")
  for (const form of ["base64", "hex"]) secret("the canary of a payload", Buffer.from(payload).toString(form).replace(/=+$/, ""))
  const forged = signToken(randomBytes(32), { project: access.project, scope: "read", exp: 4e9 })
  secret("the signature of a forged token", forged.split(".")[2])
  const basic = Buffer.from(`user:${secret("a password")}`).toString("base64")
  secret("a password in base64", basic)

  let planted = 0
  const plant = async (what, status, { method = "GET", path = stream, headers = {}, body } = {}) => {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const id = `canary-${randomBytes(8).toString("hex")}`
      const logged = scan.line(id, logMs)
      const answer = await ask(server, { method, path, headers: { ...headers, "x-request-id": id }, body })
      if (answer.status !== status) {
        problems.push(`canary: ${what}: status ${answer.status}, want ${status}: ${scan.mask(answer.body)}`)
        return answer
      }
      if (await logged) {
        planted++
        return answer
      }
      if (status === 201) status = 200 // is there already
    }
    problems.push(`canary: ${what}: its request was never logged`)
    return undefined
  }

  await plant("create", 201, { method: "PUT", headers: json })
  await plant("a payload", 204, { method: "POST", headers: json, body: JSON.stringify({ payload }) })
  await plant("a payload that is no JSON", 400, { method: "POST", headers: json, body: `{"payload":${payload}` })
  await plant("a payload of another type", 409, { method: "POST", headers: { ...json, "content-type": "text/plain" }, body: payload })
  const read = await plant("a read", 200, { path: `${stream}?offset=-1`, headers: bearer })
  if (read && !read.body.includes(payload)) problems.push("canary: the payload was not read back")

  const minted = await ask(server, { method: "POST", path: `/v1/token/${name}`, headers: bearer })
  if (minted.status !== 201) problems.push(`canary: a token for URLs: status ${minted.status}`)
  else {
    const token = secret("a token for URLs", JSON.parse(minted.body).token)
    secret("the signature of a token for URLs", token.split(".")[2])
    await plant("a token in the query", 200, { path: `${stream}?offset=-1&token=${token}` })
    await plant("a token in a cookie", 200, { headers: { cookie: `__Secure-tailrace=${token}` } })
    await plant("a token for URLs in the header", 401, { headers: { authorization: `Bearer ${token}` } })
    await plant("a token for another stream in the query", 401, { path: `${stream}-other?token=${token}` })
  }
  await plant("no token in the query", 401, { path: `${stream}?token=${secret("a canary in the query")}` })
  await plant("a forged token", 401, { headers: { authorization: `Bearer ${forged}` } })
  await plant("an API key of nobody", 401, { headers: { authorization: `Bearer ${secret("an API key of nobody", apiKey(randomBytes(32)))}` } })
  await plant("a password", 401, { headers: { authorization: `Basic ${basic}` } })

  // Parsers like to quote what they do not understand. A request that is none has no line of its own.
  const broken = secret("the canary of a broken request")
  for (const [what, request] of [
    ["a line without a colon", `GET ${stream} HTTP/1.1\r\nHost: x\r\nAuthorization Bearer ${broken}\r\n\r\n`],
    ["a header with a control character", `GET ${stream} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${broken}\x01\r\n\r\n`],
    ["no version", `GET ${stream}?token=${broken}\r\n\r\n`],
  ]) {
    const answer = await tell(server, request)
    if (!/^HTTP\/1\.1 4\d\d /.test(answer)) problems.push(`canary: ${what}: ${scan.mask(JSON.stringify(answer.slice(0, 200)))}`)
  }
  return { problems, summary: `${planted} requests with secrets and payloads are in the log` }
}

// ask sends a request to the server itself, past the doorman.
function ask({ port, access: { ca } }, { method, path, headers, body }) {
  return new Promise((resolve, reject) => {
    const options = { agent: false, host: "127.0.0.1", port, ca, method, path, headers }
    const sent = (ca ? https : http).request(options, async (response) => {
      try {
        let text = ""
        for await (const piece of response.setEncoding("utf8")) text += piece
        resolve({ status: response.statusCode, body: text })
      } catch (err) {
        reject(err)
      }
    })
    sent.once("error", reject)
    sent.end(body)
  })
}

// tell sends bytes, and answers all that comes before the connection ends.
function tell({ port, access: { ca } }, text) {
  return new Promise((resolve) => {
    const socket = (ca ? connectTLS : connect)({ host: "127.0.0.1", port, ca })
    let answer = ""
    socket.setEncoding("utf8").setTimeout(10_000, () => socket.destroy())
    socket.on("data", (piece) => (answer += piece))
    socket.on("error", () => {}) // a reset after the answer is an end as well
    socket.once("close", () => resolve(answer))
    socket.write(text)
  })
}
