// Replays in every content coding by Node's clients: see README.md.
import { dirname, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { checkCodings } from "./lib/codings.mjs"
import { chosen, names } from "./lib/configurations.mjs"
import { Server } from "./lib/server.mjs"

const here = dirname(fileURLToPath(import.meta.url))

function options() {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: "string" },
        binary: { type: "string", default: resolve(here, "..", "bin", "tailrace") },
        only: { type: "string" },
        seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
      },
    })
    if (!/^[0-9]+$/.test(values.seed)) throw new Error(`not a whole number: --seed ${values.seed}`)
    return { ...values, seed: Number(values.seed), configurations: chosen(values.only) }
  } catch (err) {
    console.error(`${err.message}\nusage: node codings.mjs [--binary PATH] [--only ${names}] [--url URL] [--seed N]`)
    process.exit(2)
  }
}

// run answers whether a running server passed.
async function run(name, url, seed) {
  const { problems, summary } = await checkCodings({ url, seed })
  for (const problem of problems) console.log(`codings ${name}: ${problem}`)
  console.log(`codings ${name}: ${problems.length === 0 ? "passed" : "failed"}: ${summary}`)
  return problems.length === 0
}

const { url, binary, seed, configurations } = options()
let good = true
if (url) {
  good = await run(url, url.replace(/\/+$/, ""), seed)
} else {
  for (const { name, flags, bucket, access } of configurations) {
    const server = await Server.create({ binary: resolve(binary), flags, bucket, access })
    await server.start()
    good = (await run(name, server.url, seed)) && good
    const wrong = await server.stop()
    if (wrong) console.log(`codings ${name}: ${wrong}`)
    if (wrong) good = false
    console.log(`codings ${name}: ${server.account}`)
  }
}
process.exitCode = good ? 0 : 1
