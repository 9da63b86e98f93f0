package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tailrace/engine"
)

// openStore makes a store in dir, as a server has it open.
func openStore(t *testing.T, dir string) *engine.Engine {
	t.Helper()
	o := toolOptions(dir)
	o.Manual, o.LogFileBytes, o.BodyBytesMax = false, 64<<10, 8<<10
	e, err := engine.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestBackupGoesThroughTheServer(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	e := openStore(t, data)
	// A process that was killed leaves its socket.
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(data, controlName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close()

	var log bytes.Buffer
	c := startControl(e, data, slog.New(slog.NewTextHandler(&log, nil)))
	defer c.close()
	info, err := os.Stat(filepath.Join(data, controlName))
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Fatalf("the socket is %v, %v", info.Mode(), err)
	}
	var stdout, stderr bytes.Buffer
	to := filepath.Join(dir, "backup")
	if code := run([]string{"backup", to}, []string{"TAILRACE_DATA=" + data}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if code := run([]string{"backup", to, "--data", data}, nil, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "not an empty directory") {
		t.Errorf("a second time: exit code %d: %s", code, stderr.String())
	}
	if code := run([]string{"restore", to, filepath.Join(dir, "again")}, nil, &stdout, &stderr); code != exitOK {
		t.Errorf("restore: exit code %d: %s", code, stderr.String())
	}

	// Closed, the name is free again.
	c.close()
	if _, err := os.Stat(filepath.Join(data, controlName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestWhatIsNoOrderIsRefused(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	c := startControl(openStore(t, data), data, slog.New(slog.DiscardHandler))
	defer c.close()
	for _, order := range []string{"{\n", "[]\n", `{"command":"erase"}` + "\n", `{"command":"backup","to":"relative"}` + "\n"} {
		conn, err := net.Dial("unix", filepath.Join(data, controlName))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(order)); err != nil {
			t.Fatal(err)
		}
		conn.(*net.UnixConn).CloseWrite()
		var a controlAnswer
		if err := json.NewDecoder(conn).Decode(&a); err != nil || a.Error == "" {
			t.Errorf("%q is answered with %+v, %v", order, a, err)
		}
		conn.Close()
	}
}

// TestSilentClientDoesNotKeepTheServer: closing waits for no order.
func TestSilentClientDoesNotKeepTheServer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	c := startControl(openStore(t, data), data, slog.New(slog.DiscardHandler))
	conn, err := net.Dial("unix", filepath.Join(data, controlName))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c.close()
}

// TestDirectoryTooDeepForASocket: the server serves without one, and says so;
// and so does the command.
func TestDirectoryTooDeepForASocket(t *testing.T) {
	data := filepath.Join(t.TempDir(), strings.Repeat("deep", 40))
	e := openStore(t, data)
	var log bytes.Buffer
	c := startControl(e, data, slog.New(slog.NewTextHandler(&log, nil)))
	c.close()
	if !strings.Contains(log.String(), "longer than 103 bytes") {
		t.Errorf("the log says: %s", log.String())
	}
	_, err := backUp(context.Background(), data, filepath.Join(t.TempDir(), "backup"), &place{}, func(int64, int64) {})
	if err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("backup: %v", err)
	}
}

func TestBackupMakesNoStore(t *testing.T) {
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	if code := run([]string{"backup", filepath.Join(dir, "backup"), "--data", dir}, nil, &stdout, &stderr); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) > 0 {
		t.Errorf("%v, %v", names, err)
	}
}
