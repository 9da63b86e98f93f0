// What a page may do with a server of another origin: send every method with the headers of the
// protocol, and read those of the answers.

const offset = /^[0-9]{16}_[0-9]{16}$/
const json = { "content-type": "application/json" }
const producer = (seq) => ({
  ...json,
  "producer-id": "page",
  "producer-epoch": "0",
  "producer-seq": String(seq),
})

// Each step answers with a status, and shows headers of that form to the page.
const steps = [
  {
    method: "PUT",
    headers: { ...json, "stream-ttl": "3600", authorization: "Bearer nobody" },
    status: 201,
    shows: { location: /\/v1\/stream\/browser\/across$/, "stream-next-offset": offset },
  },
  {
    method: "POST",
    headers: {
      ...producer(0),
      "stream-seq": "1",
      "stream-expected-offset": "0000000000000000_0000000000000000",
    },
    body: "[1,2,3]",
    status: 200,
    shows: { "producer-epoch": /^0$/, "producer-seq": /^0$/, "stream-next-offset": offset },
  },
  {
    method: "POST",
    headers: producer(7),
    body: "[4]",
    status: 409,
    shows: { "producer-expected-seq": /^1$/, "producer-received-seq": /^7$/ },
    says: /"code":"[a-z_]+"/,
  },
  {
    method: "GET",
    query: "?offset=-1",
    status: 200,
    shows: { etag: /^"[^"]+"$/, "stream-next-offset": offset, "stream-up-to-date": /^true$/ },
    says: /^\[1,2,3\]$/,
  },
  {
    method: "GET",
    query: "?offset=-1",
    headers: { "if-none-match": "*" },
    status: 304,
    shows: { etag: /^"[^"]+"$/, "stream-next-offset": offset },
  },
  {
    method: "GET",
    query: "?offset=-1&live=long-poll",
    status: 200,
    shows: { "stream-cursor": /^[0-9]+$/ },
    says: /^\[1,2,3\]$/,
  },
  { method: "HEAD", status: 200, shows: { "stream-ttl": /^3600$/, "stream-next-offset": offset } },
  {
    method: "POST",
    headers: { "stream-closed": "true" },
    status: 204,
    shows: { "stream-closed": /^true$/, "stream-next-offset": offset },
  },
  {
    method: "PATCH",
    headers: { "stream-retention-age": "60", "stream-retention-bytes": "none", "stream-trim": "now" },
    status: 204,
    shows: { "stream-earliest-offset": offset, "stream-next-offset": offset },
  },
  {
    method: "HEAD",
    status: 200,
    shows: { "stream-earliest-offset": offset, "stream-retention-age": /^60$/ },
  },
  { method: "LOCK", status: "none", shows: {} }, // what a preflight does not allow is not sent
  { method: "DELETE", status: 204, shows: {} },
  { method: "GET", query: "?offset=-1", status: 404, shows: {}, says: /"code":"[a-z_]+"/ },
]

export async function checkAcross({ tab, problems, counts }, stream) {
  for (const { method, query = "", headers = {}, body, status, shows, says } of steps) {
    const say = (problem) => problems.push(`${method} ${query} across origins: ${problem}`)
    const init = { method, headers, body, cache: "no-store" }
    const got = await tab.get(stream + query, init)
    const why = got.failure ?? got.body
    if (got.status !== status) say(`status ${got.status}, want ${status}: ${why}`)
    if (got.failure) continue
    if (got.type !== "cors") say(`the response is ${got.type}, so the page is of the same origin`)
    for (const [name, form] of Object.entries(shows)) {
      if (!form.test(got.headers[name] ?? "")) say(`the page sees ${name} as ${got.headers[name]}`)
    }
    if (says && !says.test(got.body)) say(`the page reads ${got.body}`)
  }
  if (tab.network.preflights === 0) problems.push("across origins: the browser sent no preflight")
  counts["requests across origins"] = steps.length
  counts.preflights = tab.network.preflights
}
