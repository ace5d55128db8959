package guard

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"reflect"
	"sync"
	"unsafe"

	"github.com/brutella/hap"
	"github.com/brutella/hap/characteristic"
)

// pairingStore is what the guard needs of the library's own store.
type pairingStore interface {
	Pairing(name string) (hap.Pairing, error)
	Pairings() []hap.Pairing
	SavePairing(hap.Pairing) error
	DeletePairing(name string) error
}

// library is what the guard touches of a hap.Server behind its API. All of it is
// looked up when the server is made, so that another version of the library
// fails at start, in words, and not later.
type library struct {
	http  *http.Server
	store pairingStore

	mu       *sync.Mutex    // the library's own; guards what follows
	sessions map[string]any // remote address -> session of pair-setup, pair-verify or *session

	handle, responder reflect.Value // dnssd.ServiceHandle and dnssd.Responder, nil until it listens
}

// changed is the error for an internal of the library that is not as expected.
func changed(what string) error {
	return fmt.Errorf("github.com/brutella/hap is not the version the guard was written for: %s; check homekit/guard against its source before using it", what)
}

// field returns the named field of the struct v, which must be addressable,
// readable and writable although the library does not export it.
func field(v reflect.Value, name string) (reflect.Value, error) {
	f := v.FieldByName(name)
	if !f.IsValid() {
		return f, changed(fmt.Sprintf("%s has no field %s", v.Type(), name))
	}
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem(), nil //nolint:gosec // the only way to a field that is not exported; its type is checked by the caller
}

// take returns the named field of v as a T.
func take[T any](v reflect.Value, name string) (T, error) {
	var none T
	f, err := field(v, name)
	if err != nil {
		return none, err
	}
	t, ok := reflect.TypeAssert[T](f)
	if !ok {
		return none, changed(fmt.Sprintf("%s.%s is a %s and not a %T", v.Type(), name, f.Type(), none))
	}
	return t, nil
}

// reach finds in srv what the guard needs.
func reach(srv *hap.Server) (*library, error) {
	v := reflect.ValueOf(srv).Elem()
	var l library
	var err error
	if l.http, err = take[*http.Server](v, "ss"); err != nil {
		return nil, err
	}
	if l.http.ConnState == nil || l.http.ConnContext != nil || l.http.BaseContext != nil {
		return nil, changed("it no longer leaves ConnContext and BaseContext to others and ends sessions in ConnState")
	}
	if l.store, err = take[pairingStore](v, "st"); err != nil {
		return nil, err
	}
	if l.mu, err = take[*sync.Mutex](v, "mux"); err != nil {
		return nil, err
	}
	if l.sessions, err = take[map[string]any](v, "sess"); err != nil {
		return nil, err
	}
	if l.handle, err = field(v, "handle"); err != nil {
		return nil, err
	}
	if l.responder, err = field(v, "responder"); err != nil {
		return nil, err
	}
	if err := checkAnnouncer(l.handle.Type(), l.responder.Type()); err != nil {
		return nil, err
	}
	return &l, checkConnType(v.FieldByName("cons"))
}

// checkAnnouncer says whether the announcement is changed as announce does it.
func checkAnnouncer(handle, responder reflect.Type) error {
	service, ok := handle.MethodByName("Service")
	if !ok || service.Type.NumIn() != 0 || service.Type.NumOut() != 1 {
		return changed("the announced service cannot be read")
	}
	text, ok := service.Type.Out(0).FieldByName("Text")
	if !ok || text.Type != reflect.TypeFor[map[string]string]() {
		return changed("the announced service has no text records")
	}
	update, ok := handle.MethodByName("UpdateText")
	if !ok || update.Type.NumIn() != 2 || update.Type.In(0) != text.Type || update.Type.In(1) != responder {
		return changed("the announced text records cannot be updated")
	}
	return nil
}

// checkConnType says whether the connections of the library (the values of
// Server.cons) and their sessions are as swap and session use them.
func checkConnType(cons reflect.Value) error {
	if !cons.IsValid() || cons.Kind() != reflect.Map || cons.Type().Elem().Kind() != reflect.Pointer {
		return changed("hap.Server.cons is no map of connections")
	}
	conn := cons.Type().Elem().Elem()
	inner, ok := conn.FieldByName("Conn")
	if !ok || !inner.Anonymous || inner.Type != reflect.TypeFor[net.Conn]() {
		return changed("its connection does not embed net.Conn")
	}
	session, ok := conn.FieldByName("s")
	if !ok || session.Type.Kind() != reflect.Pointer {
		return changed("its connection has no session")
	}
	_, err := readSession(reflect.New(session.Type.Elem()).Elem())
	return err
}

// swap puts inner under the library's connection c and returns what was there.
func swap(c net.Conn, inner net.Conn) error {
	v := reflect.ValueOf(c)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return changed(fmt.Sprintf("it accepts a %T", c))
	}
	f := v.Elem().FieldByName("Conn")
	if !f.IsValid() || !f.CanSet() || f.Type() != reflect.TypeFor[net.Conn]() {
		return changed(fmt.Sprintf("%T does not embed net.Conn", c))
	}
	f.Set(reflect.ValueOf(inner))
	return nil
}

// session is what pair-verify agreed on for one connection.
type session struct {
	controller   string   // the identifier of the pairing
	toUs, toThem [32]byte // ChaCha20-Poly1305 keys of the two directions
}

// session returns what the library knows of a verified connection.
func (l *library) session(remote string) (session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := reflect.ValueOf(l.sessions[remote])
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return session{}, changed("it keeps no session after pair-verify")
	}
	return readSession(v.Elem())
}

// readSession copies the keys and the pairing out of the library's session.
func readSession(v reflect.Value) (session, error) {
	var s session
	pairing, err := take[hap.Pairing](v, "Pairing")
	if err != nil {
		return s, err
	}
	s.controller = pairing.Name
	if s.toUs, err = take[[32]byte](v, "decryptKey"); err != nil {
		return s, err
	}
	s.toThem, err = take[[32]byte](v, "encryptKey")
	return s, err
}

// announcing calls f, which changes what is announced, while mDNS neither reads
// nor replaces it: the library takes no lock, and a change while the name is
// probed for (the first second) would be lost.
func (l *library) announcing(f func()) error {
	mu, err := l.announcer()
	if mu != nil {
		mu.Lock()
		defer mu.Unlock()
	}
	f()
	return err
}

// announcer returns the lock of the mDNS responder, nil before there is one.
func (l *library) announcer() (*sync.Mutex, error) {
	if l.responder.IsNil() {
		return nil, nil
	}
	v := l.responder.Elem()
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, changed("it announces in another way")
	}
	return take[*sync.Mutex](v.Elem(), "mutex")
}

// unpaired announces that the accessory can be paired again ("sf" of the TXT
// record, HAP specification 6.4), which the library only does together with
// closing the connections of all servers of the process.
func (l *library) unpaired() error {
	if l.handle.IsNil() {
		return nil
	}
	return l.announcing(func() {
		text, ok := reflect.TypeAssert[map[string]string](l.handle.MethodByName("Service").Call(nil)[0].FieldByName("Text"))
		if !ok {
			return // checkAnnouncer saw its type
		}
		news := maps.Clone(text)
		news["sf"] = "1"
		l.handle.MethodByName("UpdateText").Call([]reflect.Value{reflect.ValueOf(news), l.responder})
	})
}

// listeners returns the functions that are called when the value of c changes,
// in a field that can be set.
func listeners(c *characteristic.C) (reflect.Value, error) {
	f, err := field(reflect.ValueOf(c).Elem(), "valUpdateFuncs")
	if err == nil && f.Type() != reflect.TypeFor[[]characteristic.ValueUpdateFunc]() {
		err = changed(fmt.Sprintf("characteristic.C.valUpdateFuncs is a %s", f.Type()))
	}
	return f, err
}

// silence calls makeServer, which makes a server, and takes from the characteristics
// the function that the server added to each to send events: it walks through
// every connection that the process ever had, while they are swapped. The
// identify characteristic keeps what it got, which sends nothing.
func silence(all []*characteristic.C, makeServer func() error) error {
	before := make([]int, len(all))
	for i, c := range all {
		f, err := listeners(c)
		if err != nil {
			return err
		}
		before[i] = f.Len()
	}
	if err := makeServer(); err != nil {
		return err
	}
	for i, c := range all {
		f, err := listeners(c)
		if err != nil {
			return err
		}
		if f.Len() != before[i]+1 {
			return changed(fmt.Sprintf("it listens %d times to a characteristic", f.Len()-before[i]))
		}
		if c.Type != characteristic.TypeIdentify {
			f.Set(f.Slice3(0, before[i], before[i]))
		}
	}
	return nil
}

// unsubscribe removes every trace of a connection from a characteristic: the
// library keeps it for ever, and would send to who comes next from that address.
func unsubscribe(c *characteristic.C, remote string) error {
	v := reflect.ValueOf(c).Elem()
	f, err := field(v, "m")
	if err != nil {
		return err
	}
	mu, ok := reflect.TypeAssert[*sync.Mutex](f.Addr())
	if !ok {
		return changed("characteristic.C.m is no sync.Mutex")
	}
	events, err := take[map[string]bool](v, "events")
	if err != nil {
		return err
	}
	mu.Lock()
	delete(events, remote)
	mu.Unlock()
	return nil
}

// innerConn returns what the library's connection c wraps.
func innerConn(c net.Conn) (net.Conn, error) {
	v := reflect.ValueOf(c)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, changed(fmt.Sprintf("it accepts a %T", c))
	}
	return take[net.Conn](v.Elem(), "Conn")
}
