package main

import (
	"fmt"
	"strings"
	"testing"
)

// listed runs the program over events and returns what it printed.
func listed(t *testing.T, events ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	r := &results{out: &out, said: make(map[key][]string), counts: make(map[int]map[string]int), failures: make(map[int][]string)}
	if err := r.read(strings.NewReader(strings.Join(events, "\n") + "\n")); err != nil {
		t.Fatal(err)
	}
	list, err := r.list()
	return out.String() + list, err
}

// passed is a test of each requirement that passes.
func passed() (events []string) {
	for n := 1; n <= requirements; n++ {
		events = append(events, fmt.Sprintf(`{"Action":"pass","Package":"p","Test":"TestR%dHolds"}`, n))
	}
	return events
}

func TestEachRequirementHasALine(t *testing.T) {
	out, err := listed(t, append(passed(), `{"Action":"pass","Package":"p","Test":"TestR1R22Two"}`,
		`{"Action":"skip","Package":"p","Test":"TestR3NotHere"}`, `{"Action":"pass","Package":"p","Test":"TestRest"}`,
		`{"Action":"pass","Package":"p","Test":"TestR1R22Two/R5"}`)...)
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"R1   holds, 2 tests\n", "R22  holds, 2 tests\n", "R3   holds, 1 tests (1 skipped)\n", "R5   holds, 1 tests\n", "R26  holds"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
}

func TestFailuresAreShownAndNamed(t *testing.T) {
	for name, events := range map[string][]string{
		"a test of a requirement": {
			`{"Action":"output","Package":"p","Test":"TestR4X","Output":"it is broken\n"}`, `{"Action":"fail","Package":"p","Test":"TestR4X"}`,
		},
		"another test": {
			`{"Action":"output","Package":"p","Test":"TestX","Output":"it is broken\n"}`, `{"Action":"fail","Package":"p","Test":"TestX"}`,
		},
		"a package":             {`{"Action":"output","Package":"p","Output":"it is broken\n"}`, `{"Action":"fail","Package":"p"}`},
		"what does not compile": {`{"Action":"build-output","Output":"it is broken\n"}`, `{"Action":"build-fail"}`},
		"the go command":        {"it is broken", `{"Action":"fail","Package":"p"}`},
	} {
		out, err := listed(t, append(passed(), events...)...)
		if err == nil || !strings.Contains(out, "it is broken") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if out, _ := listed(t, append(passed(), `{"Action":"fail","Package":"p","Test":"TestR4X"}`)...); !strings.Contains(out, "R4   FAILED: TestR4X") {
		t.Errorf("it is not named:\n%s", out)
	}
}

func TestRequirementWithoutATestIsNotPassedOver(t *testing.T) {
	out, err := listed(t, passed()[:requirements-1]...)
	if err == nil || !strings.Contains(err.Error(), "R26") || !strings.Contains(out, "NOT PROVED") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := listed(t, append(passed(), `{"Action":"pass","Package":"p","Test":"TestR27X"}`)...); err == nil {
		t.Error("a requirement that there is not is passed over")
	}
}

func TestPassedTestsAreQuiet(t *testing.T) {
	out, err := listed(t, append(passed(), `{"Action":"output","Package":"p","Test":"TestX","Output":"=== RUN\n"}`,
		`{"Action":"pass","Package":"p","Test":"TestX"}`, `{"Action":"output","Package":"p","Output":"PASS\n"}`,
		`{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}`)...)
	if err != nil || strings.Contains(out, "RUN") || strings.Contains(out, "PASS") || !strings.Contains(out, "ok  \tp\t0.1s\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
