// A headless Chromium, and the page in it that the checks run in. The page is of an origin of its
// own, so that all it does with a server is cross-origin.
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { chromium } from "playwright-core"
import { Network } from "./network.mjs"

// otherHost is this machine as well, but not by a name of it that every browser knows. Only
// those, and https, are offered the newer codings.
export const otherHost = "streams.test"

const callMs = 60_000 // for a call that reads one page, or follows one stream of a few appends

const flags = [
  `--host-resolver-rules=MAP ${otherHost} 127.0.0.1`,
  "--no-proxy-server", // which the environment may name, and which would not know that host
  "--disable-quic",
]

const html = "<!doctype html><title>tailrace</title><link rel=icon href=data:,>"

// launch answers the browser. Its sandbox is off, which root and many containers cannot have: no
// page is loaded but our own. The profile is new and empty; the package has flags that keep the
// browser from fetching anything by itself.
export function launch(executablePath) {
  return chromium.launch({ executablePath, args: flags, chromiumSandbox: false })
}

// Tab is the page, with an empty cache of its own.
export class Tab {
  static async open(browser) {
    const tab = new Tab()
    tab.site = await serve()
    tab.context = await browser.newContext()
    tab.page = await tab.context.newPage()
    tab.network = await Network.of(tab.page)
    await tab.page.goto(`http://127.0.0.1:${tab.site.address().port}/`)
    return tab
  }

  // call calls a function of page.mjs there.
  async call(name, ...args) {
    const there = ([name, args]) => import("/page.mjs").then((page) => page[name](...args))
    const called = this.page.evaluate(there, [name, args])
    let timer
    const late = new Promise((_, reject) => {
      const problem = new Error(`chromium: ${name} ${args[0]}: no answer within ${callMs} ms`)
      timer = setTimeout(() => reject(problem), callMs)
    })
    return Promise.race([called, late]).finally(() => clearTimeout(timer))
  }

  // get is fetch in the page.
  async get(target, init = {}) {
    const got = await this.call("get", target, init)
    return { ...got, body: Buffer.from(got.body, "base64") }
  }

  async close() {
    await this.context.close()
    this.site.close()
    this.site.closeAllConnections()
  }
}

async function serve() {
  const files = new Map([
    ["/", ["text/html", html]],
    ["/page.mjs", ["text/javascript", readFileSync(new URL("page.mjs", import.meta.url))]],
  ])
  const server = createServer((request, response) => {
    const [type, body] = files.get(request.url) ?? []
    response.writeHead(body ? 200 : 404, body ? { "content-type": type } : {}).end(body)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return server
}
