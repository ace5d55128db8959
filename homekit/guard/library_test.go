package guard

import (
	"bytes"
	"net"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/brutella/hap"
	"github.com/brutella/hap/accessory"
	"github.com/brutella/hap/characteristic"
)

// The guard reaches into one version of the library. Whoever changes it reads
// homekit/guard/library.go against its source first.
func TestTheLibraryIsTheOneTheGuardWasWrittenFor(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(mod, []byte("github.com/brutella/hap v0.0.35")) {
		t.Error("go.mod has another version of github.com/brutella/hap than v0.0.35: read its source against homekit/guard/library.go, run the tests with LARES_HAP_BARE=1 to see what it mended, and change this line")
	}
	server, err := hap.NewServer(hap.NewMemStore(), accessory.New(accessory.Info{Name: "a"}, accessory.TypeSwitch))
	if err != nil {
		t.Fatal(err)
	}
	lib, err := reach(server)
	if err != nil {
		t.Fatal(err)
	}
	lib.sessions["1.2.3.4:5"] = "anything"
	lib.http.ConnState(addressed{}, 3) // net/http.StateClosed is 4, this one is not it
	if len(lib.sessions) != 1 {
		t.Error("the library forgets sessions before a connection is closed")
	}
	(&Guard{lib: lib}).forget(&conn{hap: addressed{}})
	if len(lib.sessions) != 0 {
		t.Error("the library does not forget the session of a closed connection: forget has no effect")
	}
	c := characteristic.NewMotionDetected()
	c.SetEvent("1.2.3.4:5", true)
	if err := unsubscribe(c.C, "1.2.3.4:5"); err != nil || c.HasEventsEnabled("1.2.3.4:5") {
		t.Errorf("a subscription cannot be taken back: %v", err)
	}
}

// addressed is a connection with nothing but an address.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5}
}

// Another library is refused in words, before it serves anybody.
func TestAnotherLibraryIsRefused(t *testing.T) {
	type otherConn struct{ Inner net.Conn }
	type noSession struct{ net.Conn }
	type otherSession struct {
		net.Conn
		s *struct{ Pairing hap.Pairing } // without keys
	}
	_ = otherSession{}.s
	announce := reflect.TypeFor[interface{ UpdateText(map[string]string) }]()
	for name, err := range map[string]error{
		"no such field":    second(take[*sync.Mutex](reflect.ValueOf(&struct{ ss int }{}).Elem(), "mux")),
		"another type":     second(take[*sync.Mutex](reflect.ValueOf(&struct{ mux int }{}).Elem(), "mux")),
		"no connections":   checkConnType(reflect.Value{}),
		"other connection": checkConnType(reflect.ValueOf(map[string]*otherConn{})),
		"no session":       checkConnType(reflect.ValueOf(map[string]*noSession{})),
		"other session":    checkConnType(reflect.ValueOf(map[string]*otherSession{})),
		"announcement":     checkAnnouncer(announce, announce),
		"accepts":          swap(addressed{}, addressed{}),
		"accepts two":      swap(&net.TCPConn{}, addressed{}),
		"listens":          silence([]*characteristic.C{characteristic.New()}, func() error { return nil }),
	} {
		if err == nil || !strings.Contains(err.Error(), "not the version the guard was written for") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
