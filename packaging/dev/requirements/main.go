// Command requirements reads what 'go test -json' prints, shows it as 'go test'
// does, and lists at the end the requirements of the household, R1 to R26, each
// with the result of the tests that are named after it: TestR4..., or TestR1R2...
// for two at once. The list is written to a file as well, where one is named. It
// fails when a test failed or a requirement has none.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// requirements is how many there are.
const requirements = 26

// elsewhere says where a requirement is proved that no Go test of its name proves.
func elsewhere() map[int]string {
	return map[int]string{
		19: "packages are built twice and compared by the tests of packaging",
	}
}

// event is a line of 'go test -json' (go doc test2json).
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64 // seconds
	FailedBuild                   string
}

// key names a test, or with an empty name a package.
type key struct{ pkg, test string }

// results is what was read so far.
type results struct {
	out      io.Writer
	said     map[key][]string // of what has not ended
	counts   map[int]map[string]int
	failures map[int][]string
	failed   bool
}

func main() {
	r := &results{out: os.Stdout, said: make(map[key][]string), counts: make(map[int]map[string]int), failures: make(map[int][]string)}
	err := r.read(os.Stdin)
	if err == nil {
		var list string
		list, err = r.list()
		fmt.Fprint(os.Stdout, list)
		if len(os.Args) > 1 {
			err = errors.Join(err, write(os.Args[1], list))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "requirements:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func write(name, list string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // a folder of the source
		return err
	}
	return os.WriteFile(name, []byte(list), 0o644) //nolint:gosec // to be read by anybody
}

func (r *results) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(r.out, "%s", line) // of the go command itself
			} else {
				r.take(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the results: %w", err)
		}
	}
}

// take shows the output of what failed, and of packages.
func (r *results) take(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "build-fail":
		r.failed = true
	case "output":
		if e.Test == "" && !boring(e.Output) {
			fmt.Fprint(r.out, e.Output)
		} else if e.Test != "" {
			r.said[k] = append(r.said[k], e.Output)
		}
	case "fail":
		r.failed = true
		fmt.Fprint(r.out, strings.Join(r.said[k], ""))
		r.count(e)
		delete(r.said, k)
	case "pass", "skip":
		r.count(e)
		delete(r.said, k)
	}
}

// boring reports whether 'go test' without -v leaves the line out.
func boring(output string) bool {
	return output == "PASS\n" || strings.HasPrefix(output, "testing: warning: no tests to run") || strings.HasPrefix(output, "-test.shuffle ")
}

// named finds the numbers in the name of a test.
var named = regexp.MustCompile(`^Test((?:R[0-9]+)+)[A-Z]`) //nolint:gochecknoglobals // a constant

func (r *results) count(e event) {
	m := named.FindStringSubmatch(e.Test)
	if m == nil || strings.Contains(e.Test, "/") {
		return
	}
	for _, number := range strings.Split(m[1], "R")[1:] {
		n, err := strconv.Atoi(number)
		if err != nil {
			continue // of no number that there is
		}
		if r.counts[n] == nil {
			r.counts[n] = make(map[string]int)
		}
		r.counts[n][e.Action]++
		if e.Action == "fail" {
			r.failures[n] = append(r.failures[n], e.Test)
		}
	}
}

// list returns a line for each requirement, and an error unless all is well.
func (r *results) list() (string, error) {
	var missing []string
	var out strings.Builder
	fmt.Fprintln(&out, "\nThe requirements of the household (R1 to R26):")
	for n := 1; n <= requirements; n++ {
		c := r.counts[n]
		line := ""
		switch {
		case c["fail"] > 0:
			slices.Sort(r.failures[n])
			line = "FAILED: " + strings.Join(r.failures[n], ", ")
		case c["pass"] > 0:
			line = fmt.Sprintf("holds, %d tests", c["pass"])
			if c["skip"] > 0 {
				line += fmt.Sprintf(" (%d skipped)", c["skip"])
			}
		case elsewhere()[n] != "":
			line = elsewhere()[n]
		default:
			line = "NOT PROVED: no test ran"
			missing = append(missing, fmt.Sprint("R", n))
		}
		fmt.Fprintf(&out, "  R%-3d %s\n", n, line)
	}
	for n := range maps.Keys(r.counts) {
		if n < 1 || n > requirements {
			missing = append(missing, fmt.Sprintf("R%d, which there is not", n))
		}
	}
	slices.SortFunc(missing, cmp.Compare)
	switch {
	case r.failed:
		return out.String(), errors.New("tests failed")
	case len(missing) > 0:
		return out.String(), fmt.Errorf("not proved: %s", strings.Join(missing, ", "))
	}
	return out.String(), nil
}
