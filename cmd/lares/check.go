package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"lares/cmd/lares/internal/console"
)

func (p *program) check(ctx context.Context, args []string) error {
	var data string
	var in console.Check
	var as credentials
	var asJSON bool
	fs := p.flags("check", &data)
	fs.StringVar(&in.Level, "level", "sizes", "names, sizes, crc, keys or audit")
	fs.BoolVar(&asJSON, "json", false, "print JSON")
	as.register(fs)
	if words, err := parse(fs, args); err != nil {
		return err
	} else if len(words) > 0 {
		return usageError{fmt.Sprintf("unexpected %q", words[0])}
	}
	if !slices.Contains([]string{"names", "sizes", "crc", "keys", "audit"}, in.Level) {
		return usageError{fmt.Sprintf("there is no level %q", in.Level)}
	}
	if in.Level == "keys" || in.Level == "audit" {
		var err error
		if in.Credentials, err = as.read(); err != nil {
			return err
		}
	}
	return p.withFootage(ctx, data, as.footage, func(c *console.Client) error {
		var out console.CheckAnswer
		if err := c.Call(ctx, http.MethodPost, "/check", in, &out); err != nil {
			return err
		}
		return p.showCheck(out, asJSON)
	})
}

func (p *program) showCheck(out console.CheckAnswer, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(p.stdout).Encode(out); err != nil {
			return err
		}
	} else {
		for _, f := range out.Findings {
			fmt.Fprintf(p.stdout, "%s %s\n", f.File, f.Text)
		}
		if out.Log != "" {
			fmt.Fprintf(p.stdout, "The log of who looked was changed: %s\n", out.Log)
		}
		fmt.Fprintf(p.stdout, "%d segments, %d findings\n", out.Segments, len(out.Findings))
	}
	if len(out.Findings) > 0 || out.Log != "" {
		return errFound
	}
	return nil
}
