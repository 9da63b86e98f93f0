// What a server has counted of itself, by its metrics.

// Never, whatever a client does.
const never = ["tailrace_internal_errors_total", "tailrace_corrupt_reads_total"]

// judgeCounters answers what is wrong with the text of /metrics, and how many requests it counts.
// A counter that is missing, or counts nothing, proves nothing.
export function judgeCounters(text) {
  const problems = []
  for (const name of never) {
    const value = sum(text, name)
    if (value !== 0) problems.push(value === undefined ? `metrics: there is no ${name}` : `metrics: ${name} is ${value}`)
  }
  const requests = sum(text, "tailrace_http_requests_total") ?? 0
  if (!(requests > 0)) problems.push("metrics: no request was counted")
  return { problems, requests }
}

// sum adds up what a metric has, whatever its labels; undefined if there is none of the name.
function sum(text, name) {
  let total
  for (const line of text.split("\n")) {
    const [, found, value] = /^([a-z_]+)(?:\{[^}]*\})? (\S+)$/.exec(line) ?? []
    if (found === name) total = (total ?? 0) + Number(value)
  }
  return total
}
