package auth

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// Bounds of a link.
const (
	maxLinkSpan = 24 * time.Hour
	maxLinkLife = 30 * 24 * time.Hour
	maxLinkKeys = 4096 // segments
	maxLinks    = 256
	linkSecret  = 32
	linkDomain  = "lares/link/v1"
	checkDomain = "lares/link-check/v1"
)

// SegmentKeys hands over the keys of stored segments, sealed as they are. The
// recorder implements it.
type SegmentKeys interface {
	// SegmentKeys yields the sealed key of each segment of a camera, of all its
	// streams, that overlaps [from, to).
	SegmentKeys(ctx context.Context, camera nvr.CameraID, from, to time.Time) iter.Seq2[nvr.SealedKey, error]
}

// LinkRequest says what a link shows.
type LinkRequest struct {
	Label    string
	Camera   nvr.CameraID
	From, To time.Time // past, at most a day
	Audio    bool
	Expires  time.Time // within 30 days
}

// check returns nvr.ErrInvalid with what is wrong.
func (r LinkRequest) check(now time.Time) error {
	switch {
	case len(r.Label) > maxDetail:
		return fmt.Errorf("%w: the name of the link is too long", nvr.ErrInvalid)
	case r.Camera.IsZero() || !r.From.Before(r.To) || r.To.After(now):
		return fmt.Errorf("%w: a link shows a span of one camera that is past", nvr.ErrInvalid)
	case r.To.Sub(r.From) > maxLinkSpan:
		return fmt.Errorf("%w: a link shows a day at most", nvr.ErrInvalid)
	case !r.Expires.After(now) || r.Expires.Sub(now) > maxLinkLife:
		return fmt.Errorf("%w: a link ends within 30 days", nvr.ErrInvalid)
	}
	return nil
}

// linkKeys derives the key that wraps the segment keys of a link, and what the
// box keeps to check the secret.
func linkKeys(secret []byte, id nvr.PrincipalID) (key, check []byte, err error) {
	if key, err = hkdf.Key(sha256.New, secret, id[:], linkDomain, 32); err != nil {
		return nil, nil, fmt.Errorf("derive the key of a link: %w", err)
	}
	if check, err = hkdf.Key(sha256.New, secret, id[:], checkDomain, 32); err != nil {
		return nil, nil, fmt.Errorf("derive the check of a link: %w", err)
	}
	return key, check, nil
}

// lookup names a segment by what its key is bound to, without the vault: a
// segment that was sealed to another vault is still the same.
func lookup(id nvr.VaultID, info []byte) [32]byte {
	return sha256.Sum256(bytes.TrimSuffix(info, id[:]))
}

func linkContext(link nvr.PrincipalID, segment [32]byte) string {
	return linkDomain + "/" + link.String() + "/" + hex.EncodeToString(segment[:])
}

// MakeLink makes a link to a span of footage for somebody without an account,
// and the secret that stands in the fragment of its URL and is not kept. The
// session needs the right to export. It takes the keys of the segments that
// overlap the span, never that of a vault; at the edges a key opens its whole
// segment, of which Authorize shows the span only. Errors: nvr.ErrForbidden,
// ErrStepUp, nvr.ErrInvalid, nvr.ErrNotFound without footage, nvr.ErrLocked,
// nvr.ErrLogUnavailable.
func (s *Service) MakeLink(ctx context.Context, sess *Session, r LinkRequest, source SegmentKeys) (nvr.ShareLink, string, error) {
	if err := s.mayMakeLink(ctx, sess, r); err != nil {
		return nvr.ShareLink{}, "", fmt.Errorf("make a link: %w", err)
	}
	s.pruneLinks(ctx)
	if all, err := s.store.Shares(ctx); err != nil || len(all) >= maxLinks {
		return nvr.ShareLink{}, "", errors.Join(err, fmt.Errorf("%w: there are %d links; end some", nvr.ErrInvalid, len(all)))
	}
	raw := make([]byte, linkSecret)
	defer clear(raw)
	rand.Read(raw) // never fails: crypto/rand, Go 1.24
	l := nvr.ShareLink{
		ID: nvr.NewID[nvr.Principal](), Label: r.Label, Camera: r.Camera, From: r.From.UTC(), To: r.To.UTC(), Audio: r.Audio,
		By: sess.id, Created: time.Now().UTC().Truncate(time.Second), Expires: r.Expires.UTC().Truncate(time.Second),
	}
	key, check, err := linkKeys(raw, l.ID)
	if err != nil {
		return nvr.ShareLink{}, "", err
	}
	defer clear(key)
	l.Check = check
	if err := s.Record(ctx, Entry{Action: LogLink, Session: sess, Camera: l.Camera, From: l.From, To: l.To, Detail: l.Label}); err != nil {
		return nvr.ShareLink{}, "", err
	}
	keys, err := wrapKeys(ctx, sess, l, [32]byte(key), source)
	if err != nil {
		return nvr.ShareLink{}, "", fmt.Errorf("make a link: %w", err)
	}
	if err := s.storeLink(ctx, l, keys); err != nil {
		return nvr.ShareLink{}, "", fmt.Errorf("store a link: %w", err)
	}
	return l, base64.RawURLEncoding.EncodeToString(raw), nil
}

// storeLink stores a link unless its maker lost the right meanwhile.
func (s *Service) storeLink(ctx context.Context, l nvr.ShareLink, keys []nvr.SharedKey) error {
	s.people.Lock()
	defer s.people.Unlock()
	if !s.mayLink(l) {
		return nvr.ErrForbidden
	}
	return s.store.AddShare(ctx, l, keys)
}

func (s *Service) mayMakeLink(ctx context.Context, sess *Session, r LinkRequest) error {
	if err := r.check(time.Now()); err != nil {
		return err
	}
	for _, at := range []time.Time{r.From, r.To} {
		if err := s.Authorize(ctx, sess, ActExport, r.Camera, at); err != nil {
			return err
		}
	}
	if sess.link != nil {
		return nvr.ErrForbidden
	}
	if r.Audio {
		if err := s.Authorize(ctx, sess, ActAudio, r.Camera, r.From); err != nil {
			return err
		}
	}
	return s.CheckProof(sess, ActExport)
}

// wrapKeys opens the keys of the span with the session and wraps them for the
// link. What was destroyed meanwhile is left out.
func wrapKeys(ctx context.Context, sess *Session, l nvr.ShareLink, key [32]byte, source SegmentKeys) ([]nvr.SharedKey, error) {
	defer clear(key[:])
	var out []nvr.SharedKey
	for sealed, err := range source.SegmentKeys(ctx, l.Camera, l.From, l.To) {
		if err != nil {
			return nil, fmt.Errorf("find segments: %w", err)
		}
		if len(out) >= maxLinkKeys {
			return nil, fmt.Errorf("%w: the span has too many segments; take a shorter one", nvr.ErrInvalid)
		}
		plain, err := sess.OpenKey(ctx, sealed.Vault, sealed.Info, sealed.Sealed)
		if errors.Is(err, nvr.ErrDestroyed) {
			continue
		}
		if err != nil {
			return nil, err
		}
		k := nvr.SharedKey{Vault: sealed.Vault, Lookup: lookup(sealed.Vault, sealed.Info)}
		k.Wrapped, err = vault.Wrap(key, linkContext(l.ID, k.Lookup), plain)
		clear(plain)
		if err != nil {
			return nil, fmt.Errorf("wrap the key of a segment: %w", err)
		}
		out = append(out, k)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is no footage in this span: %w", nvr.ErrNotFound)
	}
	return out, nil
}

// OpenLink begins a session for whoever has a link and its secret. It shows the
// link's span only, opens only its segments, and ends with the link and with the
// next restart; the page then opens the link again. Errors: ErrLink,
// nvr.ErrLogUnavailable.
func (s *Service) OpenLink(ctx context.Context, id nvr.PrincipalID, secret, addr, label string) (*Session, string, error) {
	l, err := s.findLink(ctx, id)
	if err != nil {
		return nil, "", err
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(secret))
	if err != nil || len(raw) != linkSecret {
		return nil, "", ErrLink
	}
	defer clear(raw)
	key, check, err := linkKeys(raw, id)
	if err != nil {
		return nil, "", err
	}
	if subtle.ConstantTimeCompare(check, l.Check) != 1 || !time.Now().Before(l.Expires) || !s.mayLink(l) {
		return nil, "", ErrLink
	}
	person := nvr.Principal{ID: l.ID, Kind: nvr.Share, Name: l.Label}
	sess, token := s.newSession(ctx, entry{person: person, link: &l, linkKey: key, addr: addr, device: label})
	err = s.Record(ctx, Entry{Action: LogLinkOpened, Session: sess, Camera: l.Camera, From: l.From, To: l.To, Detail: l.Label})
	if err == nil {
		_, err = s.findLink(ctx, id) // it may have ended meanwhile
	}
	if err != nil {
		return nil, "", errors.Join(err, s.drop(ctx, sess.hash))
	}
	return sess, token, nil
}

// findLink returns a link that is stored. Error: ErrLink.
func (s *Service) findLink(ctx context.Context, id nvr.PrincipalID) (nvr.ShareLink, error) {
	all, err := s.store.Shares(ctx)
	if err != nil {
		return nvr.ShareLink{}, fmt.Errorf("read links: %w", err)
	}
	i := slices.IndexFunc(all, func(l nvr.ShareLink) bool { return l.ID == id })
	if i < 0 {
		return nvr.ShareLink{}, ErrLink
	}
	return all[i], nil
}

// mayLink reports whether who made a link may still do so.
func (s *Service) mayLink(l nvr.ShareLink) bool {
	m, err := s.self(l.By)
	if err != nil || !m.inForce(time.Now()) {
		return false
	}
	need := nvr.MayExport | nvr.MayReplay
	if l.Audio {
		need |= nvr.MayAudio
	}
	return m.rights(l.Camera)&need == need
}

// linkMay is the rule for a session that came through a link.
func (s *Service) linkMay(l nvr.ShareLink, a Action, camera nvr.CameraID, at time.Time) bool {
	if a != ActReplay && (a != ActAudio || !l.Audio) || camera != l.Camera || camera.IsZero() {
		return false
	}
	return time.Now().Before(l.Expires) && !at.Before(l.From) && !at.After(l.To) && s.mayLink(l)
}

// openShared opens the key of a segment that the session's link carries. Errors:
// nvr.ErrLocked when the session is over, nvr.ErrForbidden outside the span,
// nvr.ErrDestroyed.
func (s *Session) openShared(ctx context.Context, id nvr.VaultID, info []byte) ([]byte, error) {
	s.mu.Lock()
	over := s.over || len(s.linkKey) != 32 || !time.Now().Before(s.link.Expires)
	var key [32]byte
	if !over {
		key = [32]byte(s.linkKey)
	}
	s.mu.Unlock()
	defer clear(key[:])
	if over {
		return nil, nvr.ErrLocked
	}
	segment := lookup(id, info)
	wrapped, err := s.svc.store.ShareKey(ctx, s.id, segment)
	if errors.Is(err, nvr.ErrNotFound) {
		if gone, err := s.svc.store.Destroyed(ctx, id); err == nil && gone {
			return nil, fmt.Errorf("vault %s: %w", id, nvr.ErrDestroyed)
		}
		return nil, fmt.Errorf("segment is not in the link: %w", nvr.ErrForbidden)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of a link: %w", err)
	}
	plain, err := vault.Unwrap(key, linkContext(s.id, segment), wrapped)
	if err != nil {
		return nil, fmt.Errorf("open the key of a link: %w", nvr.ErrCorrupt)
	}
	return plain, nil
}

// Links lists the links that are in force: an owner sees all, others their own.
func (s *Service) Links(ctx context.Context, sess *Session) ([]nvr.ShareLink, error) {
	if err := s.Authorize(ctx, sess, ActAccount, nvr.CameraID{}, time.Now()); err != nil {
		return nil, err
	}
	s.pruneLinks(ctx)
	all, err := s.store.Shares(ctx)
	if err != nil {
		return nil, fmt.Errorf("read links: %w", err)
	}
	return slices.DeleteFunc(all, func(l nvr.ShareLink) bool { return !seesLink(sess, l) }), nil
}

func seesLink(sess *Session, l nvr.ShareLink) bool {
	return l.By == sess.id || sess.Role() == nvr.Owner
}

// EndLink ends a link, and what runs through it, at once and erases its keys.
// Error: nvr.ErrNotFound, also for a link of somebody else that is not an owner's
// to end.
func (s *Service) EndLink(ctx context.Context, sess *Session, id nvr.PrincipalID) error {
	if err := s.Authorize(ctx, sess, ActAccount, nvr.CameraID{}, time.Now()); err != nil {
		return err
	}
	l, err := s.findLink(ctx, id)
	if errors.Is(err, ErrLink) || err == nil && !seesLink(sess, l) {
		return fmt.Errorf("end a link: %w", nvr.ErrNotFound)
	}
	if err != nil {
		return err
	}
	return s.endLink(ctx, sess, l)
}

// endLink ends a link for somebody, or with nil for the box itself.
func (s *Service) endLink(ctx context.Context, sess *Session, l nvr.ShareLink) error {
	err := s.store.RemoveShare(context.WithoutCancel(ctx), l.ID)
	s.endSessions(ctx, l.ID, [32]byte{})
	if errors.Is(err, nvr.ErrNotFound) {
		return nil
	}
	s.note(ctx, Entry{Action: LogLinkEnded, Session: sess, Camera: l.Camera, From: l.From, To: l.To, Detail: l.Label})
	if err != nil {
		return fmt.Errorf("end a link: %w", err)
	}
	return nil
}

// endLinksOf ends the links that a person made, but those to keep.
func (s *Service) endLinksOf(ctx context.Context, id nvr.PrincipalID, keep func(nvr.ShareLink) bool) {
	s.endLinks(ctx, func(l nvr.ShareLink) bool { return l.By == id && (keep == nil || !keep(l)) })
}

// pruneLinks ends links whose time is over.
func (s *Service) pruneLinks(ctx context.Context) {
	now := time.Now()
	s.endLinks(ctx, func(l nvr.ShareLink) bool { return !now.Before(l.Expires) })
}

func (s *Service) endLinks(ctx context.Context, which func(nvr.ShareLink) bool) {
	all, err := s.store.Shares(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "cannot read the links", slog.Any("error", err))
		return
	}
	for _, l := range all {
		if !which(l) {
			continue
		}
		if err := s.endLink(ctx, nil, l); err != nil {
			s.log.WarnContext(ctx, "cannot erase a link", slog.Any("error", err))
		}
	}
}
