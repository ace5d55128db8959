package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"lares/cmd/lares/internal/console"
	"lares/nvr/auth"
	"lares/ui/text"
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
		for _, alarm := range out.Alarms {
			fmt.Fprintln(p.stdout, "Warning:", alarmText(alarm))
		}
		for _, n := range out.Notices {
			fmt.Fprintf(p.stdout, "%s  %s\n", n.Time.Local().Format("2006-01-02 15:04"), noticeText(n))
		}
		fmt.Fprintf(p.stdout, "%d segments, %d findings\n", out.Segments, len(out.Findings))
	}
	if len(out.Findings) > 0 || out.Log != "" || len(out.Alarms) > 0 {
		return errFound
	}
	return nil
}

// alarmText says what was changed from outside, as the pages do.
func alarmText(word string) string {
	texts, err := text.English()
	if err != nil {
		return word
	}
	return texts.T("alarm." + strings.ReplaceAll(word, "-", "_"))
}

// noticeText says what somebody did, for whoever keeps an eye on the house.
func noticeText(n console.Notice) string {
	who, camera := cmp.Or(n.Person, "Somebody"), ""
	if n.Camera != "" {
		camera = fmt.Sprintf(" (camera %q)", n.Camera)
	}
	switch n.Kind {
	case auth.NoticeMany:
		return fmt.Sprintf("%s played %d recordings or more within an hour%s", who, n.Count, camera)
	case auth.NoticeExports:
		return fmt.Sprintf("%s saved or shared %d recordings or more within an hour%s", who, n.Count, camera)
	case auth.NoticeNight:
		return fmt.Sprintf("%s watched at night, for the first time in a month%s", who, camera)
	case auth.NoticeNewDevice:
		return who + " logged in with a device that was not known"
	case auth.NoticeJoined:
		return who + " used an invitation"
	case auth.NoticeGuesses:
		return fmt.Sprintf("%s: %d wrong passwords or more within a day", who, n.Count)
	}
	return fmt.Sprintf("%s: %s%s", who, n.Kind, camera)
}
