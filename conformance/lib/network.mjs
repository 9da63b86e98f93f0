// What a page's requests look like on the wire, as the browser's debugging protocol tells it: the
// page itself sees neither Accept-Encoding nor Content-Encoding, and a 304 as the 200 that the
// browser's cache makes of it.
import { setTimeout as delay } from "node:timers/promises"

const patienceMs = 5_000 // the events of a response may come after the page has it

export class Network {
  preflights = 0
  #exchanges = new Map() // by the browser's number of the request, in the order of their beginning

  static async of(page) {
    const network = new Network()
    const session = await page.context().newCDPSession(page)
    session.on("Network.requestWillBeSent", ({ requestId, request, initiator }) => {
      const { method, url } = request
      if (initiator.type === "preflight") network.preflights++
      else Object.assign(network.#exchange(requestId), { method, url })
    })
    session.on("Network.requestWillBeSentExtraInfo", ({ requestId, headers }) => {
      network.#exchange(requestId).request = lowerCased(headers)
    })
    session.on("Network.responseReceivedExtraInfo", ({ requestId, statusCode, headers }) => {
      const response = lowerCased(headers)
      Object.assign(network.#exchange(requestId), { status: statusCode, response })
    })
    await session.send("Network.enable")
    return network
  }

  #exchange(id) {
    if (!this.#exchanges.has(id)) this.#exchanges.set(id, {})
    return this.#exchanges.get(id)
  }

  // take answers the oldest GET of the target that was not taken yet. It throws if there is none,
  // as for what the browser's cache answered by itself.
  async take(target) {
    for (const until = Date.now() + patienceMs; Date.now() < until; await delay(5)) {
      for (const [id, exchange] of this.#exchanges) {
        const { method, url, request, response } = exchange
        if (url !== target || method !== "GET" || !request || !response) continue
        this.#exchanges.delete(id)
        return exchange
      }
    }
    throw new Error(`network: GET ${target} was not on the wire`)
  }
}

function lowerCased(headers) {
  const entries = Object.entries(headers)
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]))
}
