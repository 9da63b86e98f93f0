// What must not outlive this program: processes and directories, however it ends.

const undos = new Set()

process.on("exit", () => {
  for (const undo of undos) undo()
})
// By default a signal ends the program without an exit event.
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]]) {
  process.on(signal, () => process.exit(code))
}

// atExit has undo called at the end of the program. It must be synchronous. The answer is a
// function that calls it now instead.
export function atExit(undo) {
  undos.add(undo)
  return () => {
    if (undos.delete(undo)) undo()
  }
}
