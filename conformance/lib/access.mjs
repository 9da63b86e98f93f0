// What a server with authentication on needs: a project, its keys, and a configuration file that
// names them. The credentials are made here and not by the program, so that two implementations
// have to agree on them.
import { execFileSync } from "node:child_process"
import { createHash, createHmac, randomBytes } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { crc32 } from "node:zlib"

const kid = "main"
const tokenLifeS = 3600
const scopes = ["read", "append", "manage"]

export class Access {
  project = "acme"
  secrets = [] // {what, text}: what no log may have
  ca = undefined // the certificate to trust, if the server speaks TLS

  // credential is what clients show, "token" or "key". The files are below home.
  static create(home, { credential, tls = false }) {
    const access = new Access()
    const secret = randomBytes(32)
    const mintKey = randomBytes(32).toString("base64")
    const key = apiKey(randomBytes(32))
    const token = signToken(secret, { project: access.project, scope: scopes.join(" "), exp: now() + tokenLifeS })
    access.credential = credential === "key" ? key : token
    access.#hide("the secret of the project", secret.toString("base64"), secret.toString("base64url"), secret.toString("hex"))
    access.#hide("the key that signs URL tokens", mintKey)
    access.#hide("the API key", key)
    access.#hide("the token", token, ...token.split(".").slice(1))

    const file = (name, text) => {
      const path = join(home, name)
      writeFileSync(path, text, { mode: 0o600 })
      return path
    }
    const settings = [
      "auth = true",
      "url-tokens = true",
      `mint-key-file = ${quoted(file("mint.key", mintKey))}`,
      // All that a server may ever log, so that there is something to look for secrets in.
      'log-level = "debug"',
      "log-requests = 1",
    ]
    if (tls) {
      const [cert, tlsKey] = certificate(home)
      access.ca = readFileSync(cert)
      access.#hide("the key of the certificate", ...readFileSync(tlsKey, "utf8").split("\n").filter((line) => line.length >= 48))
      settings.push(`tls-cert = ${quoted(cert)}`, `tls-key = ${quoted(tlsKey)}`)
    }
    settings.push(
      `[project.${access.project}]`,
      'origins = ["*"]', // the suite asks from any
      `[[project.${access.project}.secrets]]`,
      `id = ${quoted(kid)}`,
      `file = ${quoted(file("project.secret", secret.toString("base64")))}`,
      `[[project.${access.project}.api-keys]]`,
      'id = "suite"',
      `sha256 = ${quoted(createHash("sha256").update(key).digest("hex"))}`,
      `scopes = [${scopes.map(quoted).join(", ")}]`,
    )
    access.flags = ["--config", file("tailrace.toml", settings.join("\n") + "\n")]
    return access
  }

  #hide(what, ...texts) {
    for (const text of texts) this.secrets.push({ what, text })
  }
}

const now = () => Math.floor(Date.now() / 1000)

// A string of TOML is one of JSON, for what is in paths.
const quoted = (text) => JSON.stringify(text)

// signToken is a compact JWS with HS256.
export function signToken(secret, claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const signed = `${part({ alg: "HS256", typ: "JWT", kid })}.${part(claims)}`
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
}

// apiKey has a checksum behind its random bytes.
export function apiKey(random) {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(random))
  return `trk_${base32(Buffer.concat([random, sum]))}`
}

function base32(bytes) {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("")
  return bits.replace(/.{1,5}/g, (five) => "abcdefghijklmnopqrstuvwxyz234567"[parseInt(five.padEnd(5, "0"), 2)])
}

// certificate makes one for this machine. Node has no means to; Go comes with a program for it.
function certificate(home) {
  const program = join(execFileSync("go", ["env", "GOROOT"], { encoding: "utf8" }).trim(), "src/crypto/tls/generate_cert.go")
  execFileSync("go", ["run", program, "--host", "127.0.0.1", "--ecdsa-curve", "P256"], { cwd: home, stdio: ["ignore", "ignore", "pipe"] })
  const [cert, key] = [join(home, "cert.pem"), join(home, "key.pem")]
  return [cert, key]
}
