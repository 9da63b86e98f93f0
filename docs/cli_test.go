package docs

import "testing"

// TestClientCommandsDoWhatTheySay executes those of the page on the command line.
func TestClientCommandsDoWhatTheySay(t *testing.T) {
	follow(t, "cli.md", "tailrace create", "tailrace append", "tailrace read", "tailrace tail", "tailrace head", "tailrace close", "tailrace delete",
		"tailrace token", "--lines", "--producer", "--offsets", "exit code")
}
