package homekit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"time"

	"lares/homekit/guard"
	"lares/nvr"
)

// houseName is under which the settings of the house are kept.
const houseName = "homekit/house"

// houseSettings is what the owner decided about the house, and who is paired.
type houseSettings struct {
	Version  int                `json:"version"`
	On       bool               `json:"on"`
	Pairings map[string]pairing `json:"pairings"` // by the controller's own id
}

// pairing is who a controller is to the house: one principal, whatever it is
// paired with.
type pairing struct {
	ID    nvr.PrincipalID `json:"id"`
	Name  string          `json:"name"` // as the owner called it; may be empty
	Since time.Time       `json:"since"`
}

func (h *houseSettings) load(ctx context.Context, settings Settings) error {
	h.Version, h.Pairings = storeVersion, make(map[string]pairing)
	b, err := settings.Load(ctx, houseName)
	if errors.Is(err, nvr.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the HomeKit settings: %w", err)
	}
	if err := json.Unmarshal(b, h); err != nil || h.Version != storeVersion || h.Pairings == nil {
		return fmt.Errorf("read the HomeKit settings: %w", nvr.ErrCorrupt)
	}
	return nil
}

// maxPairings is how many controllers are remembered.
const maxPairings = 512

// thin forgets the controller that was paired first where there are too many.
func (h *houseSettings) thin() {
	if len(h.Pairings) <= maxPairings {
		return
	}
	first := slices.MinFunc(slices.Collect(maps.Keys(h.Pairings)), func(a, b string) int {
		return h.Pairings[a].Since.Compare(h.Pairings[b].Since)
	})
	delete(h.Pairings, first)
}

// changeHouse changes the settings of the house and keeps them; when that fails
// nothing changes.
func (s *Service) changeHouse(ctx context.Context, f func(*houseSettings)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.house
	next.Pairings = maps.Clone(s.house.Pairings)
	f(&next)
	b, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("write the HomeKit settings: %w", err)
	}
	if err := s.cfg.Settings.Save(ctx, houseName, b); err != nil {
		return fmt.Errorf("keep the HomeKit settings: %w", err)
	}
	s.house = next
	return nil
}

// Switch turns HomeKit on or off for the house. Off keeps all identities and
// pairings for later.
func (s *Service) Switch(ctx context.Context, on bool) error {
	if on {
		if err := s.offer(ctx, nvr.HomeOffer{Reach: nvr.ReachHouse}); err != nil {
			return err
		}
	}
	if err := s.changeHouse(ctx, func(h *houseSettings) { h.On = on }); err != nil {
		return err
	}
	s.wake()
	return nil
}

// openWithin bounds how long a server may take to begin after it is offered.
const openWithin = 10 * time.Second

// Offer shows a camera in the Home app, as far as the owner says, and lets
// somebody with its code pair for some minutes, unless it is in a home already:
// others come through whoever added it. Errors: nvr.ErrInvalid without a
// reach, nvr.ErrNotFound for a camera that is none.
func (s *Service) Offer(ctx context.Context, o nvr.HomeOffer) error {
	if err := s.offer(ctx, o); err != nil {
		return err
	}
	s.wake()
	for end := time.Now().Add(openWithin); ; {
		if a := s.serving(o.Camera); a != nil {
			if len(a.guard.Pairings()) == 0 {
				a.open(o.Name)
			}
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("open pairing: HomeKit did not begin: %w", nvr.ErrClosed)
		}
		if err := sleepUntil(ctx, time.Now().Add(openWithin/100)); err != nil {
			return err
		}
	}
}

func (s *Service) offer(ctx context.Context, o nvr.HomeOffer) error {
	if o.Reach != nvr.ReachHouse && o.Reach != nvr.ReachAway {
		return fmt.Errorf("offer a camera in the Home app without saying from where: %w", nvr.ErrInvalid)
	}
	if !o.Camera.IsZero() && !slices.ContainsFunc(s.cfg.Cameras.List(), func(st nvr.CameraStatus) bool { return st.Camera.ID == o.Camera }) {
		return fmt.Errorf("offer a camera in the Home app: %w", nvr.ErrNotFound)
	}
	s.mu.Lock()
	kept := s.stores[o.Camera]
	s.mu.Unlock()
	if kept == nil {
		port, err := s.freePort(ctx, nil)
		if err != nil {
			return err
		}
		if kept, err = makeStore(s.cfg.Settings, storeName(o.Camera), port); err != nil {
			return err
		}
	}
	if err := kept.change(ctx, func(id *identity) { id.Reach = o.Reach }); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stores[o.Camera] = kept
	return nil
}

// Withdraw removes a pairing, or, with a zero one, all of them and the camera
// from the Home app. What is not there is no error.
func (s *Service) Withdraw(ctx context.Context, camera nvr.CameraID, who nvr.PrincipalID) error {
	a := s.serving(camera)
	if a == nil {
		return fmt.Errorf("remove a pairing while HomeKit is off: %w", nvr.ErrClosed)
	}
	for _, p := range a.guard.Pairings() {
		if who.IsZero() || s.principal(p.ID) == who {
			if err := a.guard.RemovePairing(p.ID); err != nil {
				return err
			}
		}
	}
	if !who.IsZero() || camera.IsZero() {
		return nil
	}
	return s.forget(ctx, camera)
}

// forget ends the server of a camera and removes its identity and all that was
// kept of it.
func (s *Service) forget(ctx context.Context, camera nvr.CameraID) error {
	s.mu.Lock()
	kept, r := s.stores[camera], s.run[camera]
	delete(s.stores, camera)
	delete(s.albums, camera)
	delete(s.run, camera)
	s.mu.Unlock()
	if r != nil {
		r.cancel()
		<-r.done
	}
	if kept == nil {
		return nil
	}
	return kept.remove(ctx)
}

// open lets somebody with the code pair, whom the owner calls name.
func (a *accessory) open(name string) {
	a.mu.Lock()
	a.label = name
	a.mu.Unlock()
	a.guard.OpenPairing()
}

// paired enters a new pairing. The guard waits meanwhile.
func (a *accessory) paired(controller string, admin bool) {
	ctx, cancel := context.WithTimeout(context.Background(), keepWithin)
	defer cancel()
	a.mu.Lock()
	label := a.label
	a.label = "" // who is added from the Home app is not whom the owner meant
	a.mu.Unlock()
	err := a.house.changeHouse(ctx, func(h *houseSettings) {
		p, known := h.Pairings[controller]
		if !known {
			p = pairing{ID: nvr.NewID[nvr.Principal](), Since: time.Now().UTC().Truncate(time.Second)}
		}
		if label != "" {
			p.Name = label
		}
		h.Pairings[controller] = p
		h.thin()
	})
	if err != nil {
		a.log.Error("keep who is paired", slog.Any("error", err))
	}
	a.house.note(ctx, controller, Entry{Action: LogPaired, Camera: a.camera, Detail: label})
}

func (a *accessory) unpaired(controller string) {
	ctx, cancel := context.WithTimeout(context.Background(), keepWithin)
	defer cancel()
	a.house.note(ctx, controller, Entry{Action: LogUnpaired, Camera: a.camera, Detail: a.house.nameOf(controller)})
}

func (a *accessory) wrongCode(remote string, left int) {
	ctx, cancel := context.WithTimeout(context.Background(), keepWithin)
	defer cancel()
	a.house.note(ctx, "", Entry{Action: LogWrongCode, Camera: a.camera, Addr: hostOf(remote), Detail: fmt.Sprintf("%d left", left)})
}

// principal returns who a controller is; zero for one that is not paired.
func (s *Service) principal(controller string) nvr.PrincipalID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.house.Pairings[controller].ID
}

func (s *Service) nameOf(controller string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.house.Pairings[controller].Name
}

// may says whether a controller may see a camera now.
func (s *Service) may(ctx context.Context, controller string, camera nvr.CameraID) error {
	if s.principal(controller).IsZero() {
		return fmt.Errorf("watch in the Home app: %w", nvr.ErrForbidden)
	}
	return s.cfg.Gate.May(ctx, camera)
}

// record enters what a controller did, before it gets what it asked for.
func (s *Service) record(ctx context.Context, controller string, e Entry) error {
	e.Pairing = s.principal(controller)
	if err := s.cfg.Gate.Record(ctx, e); err != nil {
		return fmt.Errorf("enter in the record of who looked: %w", err)
	}
	return nil
}

// note records what cannot be undone.
func (s *Service) note(ctx context.Context, controller string, e Entry) {
	if err := s.record(ctx, controller, e); err != nil {
		s.cfg.Log.WarnContext(ctx, "HomeKit", slog.String("action", e.Action), slog.Any("error", err))
	}
}

// hostOf is an address without its port.
func hostOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// Status returns what the Home app can have of the house.
func (s *Service) Status() nvr.HomeStatus {
	list := s.cfg.Cameras.List()
	s.mu.Lock()
	st := nvr.HomeStatus{On: s.house.On, Names: make(map[nvr.PrincipalID]string)}
	for _, p := range s.house.Pairings {
		st.Names[p.ID] = p.Name
	}
	s.mu.Unlock()
	st.Accessories = append(st.Accessories, s.describe(houseThing()))
	for _, c := range list {
		st.Accessories = append(st.Accessories, s.describe(cameraThing(c.Camera)))
	}
	return st
}

// describe says how an accessory is.
func (s *Service) describe(of thing) nvr.HomeAccessory {
	out := nvr.HomeAccessory{Camera: of.camera, Name: of.name}
	s.mu.Lock()
	kept, r := s.stores[of.camera], s.run[of.camera]
	s.mu.Unlock()
	if kept == nil {
		return out
	}
	about := kept.about()
	out.Reach, out.Code, out.Port = about.Reach, about.Code, about.Port
	uri, err := setupURI(of.category(), about.Code, about.SetupID)
	if err != nil {
		out.Problem = err.Error()
	}
	out.URI = uri
	if r == nil {
		return out
	}
	a, problem := r.now()
	if out.Problem == "" {
		out.Problem = problem
	}
	if a == nil {
		return out
	}
	out.Up = true
	window := a.guard.Pairing()
	out.PairingUntil, out.WrongCodes = window.Until, window.WrongCodes
	out.Pairings = s.pairings(a.guard.Pairings())
	return out
}

func (s *Service) pairings(list []guard.Pairing) (all []nvr.HomePairing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range list {
		known := s.house.Pairings[p.ID]
		all = append(all, nvr.HomePairing{ID: known.ID, Name: known.Name, Admin: p.Admin, Since: known.Since})
	}
	slices.SortFunc(all, func(a, b nvr.HomePairing) int { return a.Since.Compare(b.Since) })
	return all
}

// card returns a card, or nothing where one cannot be drawn.
func (s *Service) card(want size, kind cardKind) []byte {
	jpeg, err := drawCard(want, kind)
	if err != nil {
		s.cfg.Log.Error("draw a card", slog.Any("error", err))
	}
	return jpeg
}

// away returns the last picture of a camera with since when it is away, or a card
// where there is none in memory.
func (s *Service) away(album *album, want size) []byte {
	album.mu.Lock()
	last, at := album.last, album.lastAt
	album.mu.Unlock()
	if last != nil {
		jpeg, err := drawAway(last, awaySince(at))
		if err == nil {
			return jpeg
		}
		s.cfg.Log.Error("draw a card", slog.Any("error", err))
	}
	return s.card(want, cardNeutral)
}
