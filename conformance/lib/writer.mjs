// Writes the numbered sequence into one stream with the client's IdempotentProducer, and hands
// the stream over to a new incarnation of the producer on the way.
import { DurableStream, IdempotentProducer, StaleEpochError } from "@durable-streams/client"
import { setTimeout as delay } from "node:timers/promises"
import { backoffOptions } from "./wire.mjs"

const backlogBatches = 12 // how far the writer runs ahead of a server that is down
const handovers = 2

export class Writer {
  appended = 0
  fenced = 0

  constructor({ url, format, total, wire, random }) {
    Object.assign(this, { url, format, total, wire, random })
    this.failed = new Promise((_, reject) => {
      this.fail = reject
    })
    this.failed.catch(() => {}) // it may fail before anybody waits for it
  }

  async create() {
    const { url, format, wire } = this
    this.stream = await DurableStream.create({ url, contentType: format.contentType, fetch: wire.fetch, backoffOptions })
    // Epoch 1, so that a successor that knows nothing and starts at 0 is refused and told what
    // to claim. At 0 its first batches would pass for duplicates of its predecessor's.
    this.producer = this.#producer({ epoch: 1 }, this.fail)
  }

  #producer(options, onError) {
    return new IdempotentProducer(this.stream, "crash-writer", {
      ...options,
      fetch: this.wire.producerFetch,
      lingerMs: 2,
      onError,
    })
  }

  // run appends everything; what is still on its way is delivered by close.
  async run() {
    const share = Math.ceil(this.total / (handovers + 1))
    while (this.appended < this.total) {
      if (this.appended > 0 && this.appended % share === 0) await this.#handOver()
      const burst = Math.min(1 + Math.floor(this.random() * 5), this.total - this.appended, share - (this.appended % share))
      for (let i = 0; i < burst; i++) this.producer.append(this.format.encode(this.appended++))
      do await this.#while(delay(2 + this.random() * 6))
      while (this.producer.inFlightCount > backlogBatches)
    }
  }

  // close ends the stream and answers its final offset. Flush comes with it.
  async close() {
    const { finalOffset } = await this.#while(this.producer.close())
    return finalOffset
  }

  // The new producer has the same id and no memory. The server must still know the epoch, across
  // every crash before: it makes the new one claim the next, and shuts the old one out.
  async #handOver() {
    await this.#while(this.producer.flush())
    const before = this.producer.epoch
    let refusal
    const old = this.producer
    this.producer = this.#producer({ autoClaim: true }, this.fail)
    this.producer.append(this.format.encode(this.appended++))
    await this.#while(this.producer.flush())
    if (this.producer.epoch !== before + 1) throw new Error(`writer: claim: epoch ${this.producer.epoch} after ${before}`)

    const zombie = this.#producer({ epoch: old.epoch }, (err) => {
      refusal = err
    })
    zombie.append(this.format.encode(this.total)) // a number no reader may ever see
    await this.#while(zombie.flush())
    if (!(refusal instanceof StaleEpochError)) throw new Error(`writer: stale epoch ${before} was answered with: ${refusal}`)
    this.fenced++
  }

  toString() {
    return `${this.url}: ${this.appended} appended, ${this.producer.inFlightCount} batches on their way in epoch ${this.producer.epoch}`
  }

  // A producer reports errors beside its promises, which then never fail.
  #while(promise) {
    return Promise.race([promise, this.failed])
  }
}
