package auth

import (
	"context"
	"fmt"
	"slices"

	"lares/nvr"
)

// nameDomain separates the names in the roster from all else that the machine
// key seals.
const nameDomain = "lares/roster-name/v1"

// sealName enters a name into the roster. What an owner signs is stored as it is,
// so names in it are sealed with the machine key.
func (s *Service) sealName(m *member, name string) {
	m.Name = s.machine.Seal(nameDomain+"/"+m.ID.String(), []byte(name))
}

// signedName returns the name of a person in the roster; ok is false where there
// is none, or one that is not of this box.
func (s *Service) signedName(m member) (name string, ok bool) {
	plain, err := s.machine.Open(nameDomain+"/"+m.ID.String(), m.Name)
	return string(plain), err == nil && len(plain) > 0
}

// nameAll seals the names of those whom an older roster has without.
func (s *Service) nameAll(ctx context.Context, body *rosterBody) error {
	if body.named() {
		return nil
	}
	people, err := s.store.Principals(ctx)
	if err != nil {
		return fmt.Errorf("load people: %w", err)
	}
	for i, m := range body.Members {
		j := slices.IndexFunc(people, func(p nvr.Principal) bool { return p.ID == m.ID })
		if j >= 0 && m.Kind == nvr.Person && len(m.Name) == 0 {
			s.sealName(&body.Members[i], people[j].Name)
		}
	}
	return nil
}

// named reports whether all people in the roster have a name in it.
func (b *rosterBody) named() bool {
	return !slices.ContainsFunc(b.Members, func(m member) bool { return m.Kind == nvr.Person && len(m.Name) == 0 })
}

// principals lists all that are stored, people under the names that an owner
// signed: nobody is shown, or logs in, under another's.
func (s *Service) principals(ctx context.Context) ([]nvr.Principal, error) {
	people, err := s.store.Principals(ctx)
	if err != nil {
		return nil, fmt.Errorf("load people: %w", err)
	}
	body, err := s.trust.roster()
	if err != nil {
		return people, nil //nolint:nilerr // without a list that can be trusted nobody may do anything
	}
	for i := range people {
		if m, ok := body.member(people[i].ID); ok {
			if name, ok := s.signedName(m); ok {
				people[i].Name = name
			}
		}
	}
	return people, nil
}

// examineNames puts stored names back that are not the signed ones.
func (s *Service) examineNames(ctx context.Context) error {
	body, err := s.trust.roster()
	if err != nil {
		return nil //nolint:nilerr // there is nothing to compare with
	}
	people, err := s.store.Principals(ctx)
	if err != nil {
		return fmt.Errorf("load people: %w", err)
	}
	for _, p := range people {
		m, _ := body.member(p.ID)
		name, ok := s.signedName(m)
		if !ok || name == p.Name {
			continue
		}
		s.alarm(ctx, AlarmName)
		p.Name = name
		if err := s.store.SavePrincipal(ctx, p, nil); err != nil {
			return fmt.Errorf("put a name back: %w", err)
		}
	}
	return nil
}
