// Looks for secrets in what a server writes, by line and while it is written: what is kept of a
// log is its end only.

const lineCharsMax = 1024 * 1024
const overlapChars = 16 * 1024 // no secret is longer
const findingsMax = 20 // are printed

// What is one whoever it belongs to.
const forms = [
  { what: "an API key", form: /trk_[a-z2-7]{8,}/gi },
  { what: "a token", form: /eyJ[\w-]{4,}\.[\w-]{4,}(\.[\w-]*)?/g },
  { what: "a token in a query", form: /\btoken=[^\s&"';]+/gi },
  { what: "a token in a cookie", form: /__Secure-tailrace=[^\s"';]+/gi },
  { what: "an Authorization header", form: /\bauthorization["']?\s*[:=]\s*["'[]*[^\s"']+(\s+[^\s"']+)?/gi },
  { what: "an Authorization header", form: /\b(bearer|basic)\s+[^\s"']{8,}/gi },
]

export class Scan {
  lines = 0
  #found = 0
  #findings = []
  #known = new Map() // text → what it is
  #awaited = new Map() // text → who waits for a line with it

  // know has a text found from now on.
  know(what, text) {
    if (text.length < 8) throw new Error(`secrets: ${what} is too short to be looked for`)
    this.#known.set(text, what)
  }

  // reader takes one output of one process, in pieces cut anywhere. It has to be told the end.
  reader() {
    let rest = ""
    return {
      take: (text) => {
        const lines = (rest + text).split("\n")
        rest = lines.pop()
        for (const line of lines) this.#look(line)
        if (rest.length > lineCharsMax) {
          this.#look(rest)
          rest = rest.slice(-overlapChars)
        }
      },
      end: () => {
        if (rest) this.#look(rest)
        rest = ""
      },
    }
  }

  #look(line) {
    this.lines++
    for (const [text, seen] of this.#awaited) if (line.includes(text)) seen()
    const { masked, found } = this.#hide(line)
    if (found.length === 0) return
    this.#found++
    if (this.#findings.length < findingsMax) this.#findings.push(`${[...new Set(found)].join(", ")} in the log: ${masked}`)
  }

  // mask is a text fit to be printed.
  mask(text) {
    return this.#hide(text).masked
  }

  #hide(text) {
    const found = []
    const hide = (what) => {
      found.push(what)
      return `<${what}>`
    }
    let masked = text
    for (const [secret, what] of this.#known) masked = masked.replaceAll(secret, () => hide(what))
    for (const { what, form } of forms) masked = masked.replace(form, () => hide(what))
    return { masked, found }
  }

  // line answers whether one with that text is written before the time is over.
  line(text, ms) {
    return new Promise((resolve) => {
      const end = (seen) => {
        clearTimeout(timer)
        this.#awaited.delete(text)
        resolve(seen)
      }
      const timer = setTimeout(end, ms, false)
      this.#awaited.set(text, () => end(true))
    })
  }

  // problems are the lines that have one, masked.
  get problems() {
    const more = this.#found - this.#findings.length
    return more > 0 ? [...this.#findings, `and ${more} more lines with secrets`] : this.#findings
  }
}
