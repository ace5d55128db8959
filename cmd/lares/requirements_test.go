package main

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/camera/camsim"
)

// TestR1R22NewBoxKnowsNobodyAndSharesNothing: there is no account, key or link
// but those that the household makes.
func TestR1R22NewBoxKnowsNobodyAndSharesNothing(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.opened(func(h *house) {
		for _, table := range []string{"principal", "unlocker", "session", "vault", "vault_grant", "roster", "share", "share_key", "camera"} {
			if n := b.count(table); n != 0 {
				t.Errorf("a new box has %d rows in %s", n, table)
			}
		}
		for _, name := range []string{"", "admin", "root", "lares", "owner", "demo", "support"} {
			for _, password := range []string{"", "admin", "lares", name, "12345"} {
				_, _, err := h.auth.Login(t.Context(), auth.LoginRequest{Name: name, Password: password, Addr: name + password})
				var throttled auth.ErrThrottled
				if !errors.Is(err, auth.ErrWrong) && !errors.As(err, &throttled) {
					t.Errorf("login as %q: %v", name, err)
				}
			}
		}
	})
	b.must("setup", "--owner", ownerName, "--password-file", b.password, "--recovery-out", b.recovery, "--without-second-factor")
	for table, want := range map[string]int{"principal": 2, "share": 0, "share_key": 0} { // the owner and the recovery key
		if n := b.count(table); n != want {
			t.Errorf("after the set-up there are %d rows in %s, want %d", n, table, want)
		}
	}
}

// count counts the rows of a table of config.db.
func (b *box) count(table string) (n int) {
	b.t.Helper()
	d, err := sql.Open("sqlite", "file:"+filepath.Join(b.data, configName)+"?mode=ro")
	if err != nil {
		b.t.Fatal(err)
	}
	defer d.Close()
	if err := d.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		b.t.Fatal(err)
	}
	return n
}

// TestR13RunningBoxTalksToItsCamerasAlone lists all sockets of a box that records,
// was looked at and was restarted.
func TestR13RunningBoxTalksToItsCamerasAlone(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	b.addCamera("Gate", sim, false)
	b.serve()
	b.waitRecording("Gate", nvr.Main)
	camera, listening := 0, 0
	for range 20 { // half a second
		for _, s := range b.sockets() {
			switch {
			case s.listens:
				listening++
			case s.remote.IP.IsLoopback() && strings.Contains(sim.URL(nvr.Main), strconv.Itoa(s.remote.Port)):
				camera++
			default:
				t.Errorf("the box talks to %v", s.remote)
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
	if camera == 0 || listening == 0 {
		t.Errorf("the test sees %d connections to the camera and %d ports", camera, listening)
	}
}

// socket is one of a process, as /proc/PID/net says it (proc(5)).
type socket struct {
	remote  net.TCPAddr
	listens bool
}

func (b *box) sockets() (list []socket) {
	b.t.Helper()
	pid := b.process.Process.Pid
	own := make(map[string]bool)
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil {
			own[to] = true
		}
	}
	if len(own) == 0 {
		b.t.Skip("only root may look into a process that is not dumpable")
	}
	for _, kind := range []string{"tcp", "tcp6", "udp", "udp6"} {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, kind))
		if errors.Is(err, os.ErrNotExist) {
			continue // no IPv6 here
		}
		if err != nil {
			b.t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
			f := strings.Fields(line)
			if i == 0 || !own["socket:["+f[9]+"]"] {
				continue
			}
			const listen = "0A"
			list = append(list, socket{remote: remote(b.t, f[2]), listens: strings.HasPrefix(kind, "tcp") && f[3] == listen})
		}
	}
	return list
}

// remote reads an address in hexadecimal, in groups of four bytes, last byte first.
func remote(t *testing.T, s string) net.TCPAddr {
	t.Helper()
	host, port, _ := strings.Cut(s, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	var ip net.IP
	for group := range slices.Chunk([]byte(host), 8) {
		for i := 6; i >= 0; i -= 2 {
			v, err := strconv.ParseUint(string(group[i:i+2]), 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			ip = append(ip, byte(v))
		}
	}
	return net.TCPAddr{IP: ip, Port: int(n)}
}

// TestR15EveryKindOfDataIsListed: what is derived from pictures goes with them.
// A table that is new fails the test until somebody says what it holds.
func TestR15EveryKindOfDataIsListed(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.opened(func(*house) {})
	// Derived from footage are segment, which says how much moved in it, and
	// quarter, which adds that up: rows go with the file. Events, thumbnails and
	// maps of motion lie in the file itself.
	listed := map[string][]string{
		configName: {
			"principal", "unlocker", "roster", "vault", "vault_grant", "destroyed", "unerased", "session", "throttle",
			"log", "log_state", "setting", "camera", "source", "disk", "gap", "share", "share_key", "notice", "hold", "deletion", "privacy",
		},
		indexName: {"stream", "disk", "vault", "segment", "garbage", "share", "quarter", "state"},
	}
	for file, want := range listed {
		d, err := sql.Open("sqlite", "file:"+filepath.Join(b.data, file)+"?mode=ro")
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		rows, err := d.Query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			got = append(got, name)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s has the tables %q, listed are %q", file, got, want)
		}
	}
}

// TestR26ThereIsNoFlagWithoutEncryption: encryption is no setting, on no command.
func TestR26ThereIsNoFlagWithoutEncryption(t *testing.T) {
	var out strings.Builder
	forbidden := regexp.MustCompile(`(?i)plain|unencrypted|no-encrypt|insecure|without-encryption|clear`)
	for _, c := range commands() {
		_ = run(t.Context(), []string{c.name, "--help"}, &out, &out)
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(strings.TrimSpace(line), "-") && forbidden.MatchString(line) {
			t.Errorf("a flag says %s", line)
		}
	}
	if strings.Count(out.String(), "-data") < len(commands())-2 {
		t.Errorf("the flags are not listed:\n%s", out.String())
	}
}
