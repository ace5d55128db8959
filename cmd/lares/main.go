// Command lares is the whole of Lares: the recorder that serves the house, and
// the tools of the person at the box. This package owns the command line, the
// wiring of all parts (serve.go) and nothing else; each sub-command has a file
// of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set when a release is built.
var version = "development" //nolint:gochecknoglobals // the linker can set nothing else

// Exit codes.
const (
	exitGood  = 0
	exitWrong = 1 // something is wrong, or was found to be
	exitUsage = 2
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == workerName {
		os.Exit(mediaWorker(os.Stderr)) // first of all: it gives up its rights before it does anything
	}
	if err := harden(); err != nil {
		fmt.Fprintln(os.Stderr, "lares:", err) // the page says it as well
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// program is where a command reads and writes.
type program struct {
	stdout, stderr io.Writer
}

// command is a sub-command.
type command struct {
	name, args, about string
	run               func(p *program, ctx context.Context, args []string) error
}

func commands() []command {
	return []command{
		{"serve", "--data DIR [--footage DIR]... [--listen :8443] [--http :8080]", "record and serve the house", (*program).serve},
		{"demo", "", "try Lares with a simulated camera and a throw-away folder", (*program).demo},
		{"setup", "--owner NAME --password-file F --recovery-out F [--totp-out F | --without-second-factor]", "first run without a browser", (*program).setup},
		{"setup-code", "", "a new one-time code for the first run in the browser", (*program).setupCode},
		{"login-code", "", "a one-time code to log in with while strangers guess passwords", (*program).loginCode},
		{"camera", "add NAME URL [--sub URL] [--user U --password-file F] | list | remove NAME | probe URL", "add, list, remove or test cameras", (*program).camera},
		{"export", "--camera NAME --from T --to T (--as NAME --password-file F [--totp CODE] | --recovery-file F [--footage DIR]...) -o clip.mp4", "save a clip", (*program).export},
		{"check", "[--level names|sizes|crc|keys|audit] [--as NAME --password-file F | --recovery-file F] [--footage DIR]... [--json]", "look for damage", (*program).check},
		{"motion", "try FILE [--json]", "the events that the detector finds in a video file", (*program).motion},
		{"status", "[--json]", "what is recorded and what is not", (*program).status},
		{"health", "", "nothing if the box runs and answers, for those who watch over it", (*program).health},
		{"backup", "-o FILE", "settings, cameras and people as one file that only the recovery key opens", (*program).backup},
		{"restore", "[FILE] --recovery-file F --as NAME --password-file F [--totp CODE] [--footage DIR]...", "come back from a backup on a new box, and open the recordings beside it again", (*program).restore},
		{"reset-owner", "", "start over with new people; old footage stays sealed", (*program).resetOwner},
		{"version", "", "the version of this program", (*program).version},
	}
}

// usageError is a command line that cannot be meant.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// errFound: the command worked and found something wrong; it has said what.
var errFound = errors.New("something is wrong")

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := &program{stdout: stdout, stderr: stderr}
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		p.usage(stdout)
		if len(args) == 0 {
			return exitUsage
		}
		return exitGood
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		return p.report(c, c.run(p, ctx, args[1:]))
	}
	fmt.Fprintf(stderr, "lares: there is no command %q. 'lares help' lists them.\n", args[0])
	return exitUsage
}

func (p *program) report(c command, err error) int {
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitGood
	case errors.Is(err, errFound):
		return exitWrong
	case errors.As(err, &usage):
		fmt.Fprintf(p.stderr, "lares %s: %v\nUsage: lares %s %s\n", c.name, err, c.name, c.args)
		return exitUsage
	}
	fmt.Fprintf(p.stderr, "lares %s: %v\n", c.name, err)
	return exitWrong
}

func (p *program) usage(w io.Writer) {
	fmt.Fprintln(w, "Lares records the cameras of a house so that only the household can watch.")
	fmt.Fprintln(w)
	for _, c := range commands() {
		fmt.Fprintf(w, "  lares %-12s %s\n", c.name, c.about)
	}
	fmt.Fprintf(w, "\nAll take --data DIR, the folder that holds everything but footage (default %s).\n", defaultData)
}

// flags returns a flag set of a command with --data.
func (p *program) flags(name string, data *string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(p.stderr)
	fs.StringVar(data, "data", defaultData, "folder that holds everything but footage")
	return fs
}

// parse reads flags wherever they stand and returns the other words.
func parse(fs *flag.FlagSet, args []string) ([]string, error) {
	var words []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError{err.Error()}
		}
		if fs.NArg() == 0 {
			return words, nil
		}
		words = append(words, fs.Arg(0))
		args = fs.Args()[1:]
	}
}

func (p *program) version(_ context.Context, _ []string) error {
	fmt.Fprintln(p.stdout, "lares", version)
	return nil
}
