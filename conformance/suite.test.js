import { runConformanceTests } from "@durable-streams/server-conformance-tests"
const { CONFORMANCE_TEST_URL: baseUrl, LONG_POLL_TIMEOUT_MS: longPollTimeoutMs } = process.env
runConformanceTests({ baseUrl, longPollTimeoutMs: Number(longPollTimeoutMs) })
