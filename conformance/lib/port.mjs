import { once } from "node:events"
import { createServer } from "node:net"

// freePort looks below the ephemeral range of the usual systems (from 32768). A port inside it
// could become the source port of somebody's connection while the server is down between two
// starts, or of a client's own retry to that very port, which then connects to itself.
export async function freePort() {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = createServer()
    probe.listen({ port, host: "127.0.0.1" })
    try {
      await once(probe, "listening")
    } catch {
      continue
    }
    probe.close()
    await once(probe, "close")
    return port
  }
  throw new Error("no free port between 20000 and 32000")
}
