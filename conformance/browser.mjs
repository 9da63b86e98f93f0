// Replays and event streams in a headless Chromium: see README.md.
import { existsSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { checkBrowser } from "./lib/browser.mjs"
import { launch } from "./lib/chromium.mjs"
import { chosen } from "./lib/configurations.mjs"
import { Server } from "./lib/server.mjs"

const here = dirname(fileURLToPath(import.meta.url))
const usage = `usage: node browser.mjs [--binary PATH] [--chromium PATH]
                        [--only default|tiny] [--seed N]`

// What a browser sees depends on whether data is in memory or in segments, and on nothing else.
const browsed = ["default", "tiny"]

function options() {
  try {
    const { values } = parseArgs({
      options: {
        binary: { type: "string", default: resolve(here, "..", "bin", "tailrace") },
        chromium: { type: "string", default: process.env.CHROMIUM || "/usr/bin/chromium" },
        only: { type: "string" },
        seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
      },
    })
    if (!/^[0-9]+$/.test(values.seed)) throw new Error(`not a whole number: --seed ${values.seed}`)
    if (!existsSync(values.chromium)) {
      const how = "install the Debian package chromium, or set CHROMIUM=path"
      throw new Error(`no browser at ${values.chromium}: ${how}`)
    }
    const configurations = chosen(values.only).filter(({ name }) => values.only || browsed.includes(name))
    return { ...values, seed: Number(values.seed), configurations }
  } catch (err) {
    console.error(`${err.message}\n${usage}`)
    process.exit(2)
  }
}

// run answers whether a server with that configuration passed.
async function run(browser, { name, flags, bucket, access, flushes }) {
  const server = await Server.create({ binary: resolve(binary), flags, bucket, access })
  let result
  try {
    await server.start()
    result = await checkBrowser({ browser, url: server.url, flushes, seed })
  } catch (err) {
    result = { problems: [err.stack], lines: [], summary: `--seed ${seed}` }
  }
  const { problems, lines, summary } = result
  const wrong = await server.stop()
  if (wrong) problems.push(wrong)
  lines.push(server.account)
  const good = problems.length === 0
  for (const line of [...lines, ...problems]) console.log(`browser ${name}: ${line}`)
  console.log(`browser ${name}: ${good ? "passed" : "failed"}: ${summary}`)
  const log = server.log.trimEnd()
  if (!good && log) console.log(`--- log of the ${name} server ---\n${log}\n---`)
  return good
}

const { binary, chromium, seed, configurations } = options()
const browser = await launch(chromium)
console.log(`browser: Chromium ${browser.version()}`)
let good = true
for (const configuration of configurations) good = (await run(browser, configuration)) && good
await browser.close()
process.exitCode = good ? 0 : 1
