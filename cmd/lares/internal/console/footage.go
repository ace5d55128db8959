package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/recorder"
)

// Export asks for a clip. Camera is a name, or a stream id where the recovery
// key opens footage whose names are lost.
type Export struct {
	Credentials
	Camera   string
	Sub      bool
	From, To time.Time
}

func (b Box) export(w http.ResponseWriter, r *http.Request) error {
	in, err := read[Export](r)
	if err != nil {
		return err
	}
	stream, camera, err := b.stream(r.Context(), in)
	if err != nil {
		return err
	}
	opener, session, end, err := b.opener(r.Context(), in.Credentials)
	if err != nil {
		return err
	}
	defer end()
	if session != nil {
		if err := b.Auth.Authorize(r.Context(), session, auth.ActExport, camera, in.From); err != nil {
			return err
		}
	}
	err = b.Auth.Record(r.Context(), auth.Entry{
		Action: auth.LogExport, Session: session, Camera: camera, From: in.From, To: in.To, Addr: "console",
	})
	if err != nil && !errors.Is(err, nvr.ErrNoOwner) {
		return err
	}
	// The recovery key opens all there is.
	sound := session == nil || b.Auth.Authorize(r.Context(), session, auth.ActAudio, camera, in.From) == nil
	clip, err := b.Recorder.Library().Export(r.Context(), opener, nvr.MediaRequest{Stream: stream, From: in.From, To: in.To, Sound: sound})
	if err != nil {
		return err
	}
	defer clip.Close() //nolint:errcheck // read-only
	w.Header().Set("Content-Type", "video/mp4")
	w.Header().Set("Content-Length", strconv.FormatInt(clip.Size, 10))
	if _, err := io.Copy(w, clip); err != nil {
		// The answer has begun: the missing bytes tell the caller.
		b.Log.ErrorContext(r.Context(), "export", slog.Any("error", err))
	}
	return nil
}

// stream finds what to export.
func (b Box) stream(ctx context.Context, in Export) (nvr.StreamID, nvr.CameraID, error) {
	if in.RecoveryKey != "" {
		if id, err := nvr.ParseID[nvr.Stream](in.Camera); err == nil {
			return id, nvr.CameraID{}, nil
		}
	}
	status, err := b.cameraByName(in.Camera)
	if err != nil && in.RecoveryKey != "" {
		err = b.nameStreams(ctx, err)
	}
	if err != nil {
		return nvr.StreamID{}, nvr.CameraID{}, err
	}
	for _, s := range status.Camera.Streams {
		if (s.Quality == nvr.Sub) == in.Sub {
			return s.Stream, status.Camera.ID, nil
		}
	}
	return nvr.StreamID{}, nvr.CameraID{}, fmt.Errorf("camera %q has no sub stream", in.Camera)
}

// nameStreams adds what there is to export where the names of cameras are lost.
func (b Box) nameStreams(ctx context.Context, err error) error {
	streams, listErr := b.Recorder.Library().Streams(ctx)
	if listErr != nil || len(streams) == 0 {
		return errors.Join(err, listErr)
	}
	var text strings.Builder
	text.WriteString(err.Error() + ". Name one of these streams instead:")
	for _, s := range streams {
		fmt.Fprintf(&text, "\n  %s  %s to %s", s.Stream, s.From.Local().Format(time.RFC3339), s.To.Local().Format(time.RFC3339))
	}
	return errors.New(text.String())
}

// Check asks for a look at everything. Level is names, sizes, crc, keys or audit.
type Check struct {
	Credentials
	Level string
}

// CheckAnswer is what was found.
type CheckAnswer struct {
	Version int
	recorder.CheckReport
	// Of level audit only. Log is what is wrong with the log of who looked; empty:
	// nothing. Alarms say what was changed from outside. Notices tell of what was
	// unusual, newest first; they are nothing wrong by themselves.
	Log     string
	Alarms  []string `json:",omitempty"`
	Notices []Notice `json:",omitempty"`
}

// Notice is something unusual that somebody did.
type Notice struct {
	Time   time.Time
	Kind   string
	Person string // empty: nobody in particular, or somebody who is forgotten
	Camera string // empty: several, none, or one that was removed
	Count  int
}

// maxNotices bounds what an audit tells.
const maxNotices = 20

func (b Box) check(ctx context.Context, in Check) (CheckAnswer, error) {
	levels := map[string]recorder.CheckLevel{
		"names": recorder.Names, "sizes": recorder.Sizes, "crc": recorder.CRC, "keys": recorder.Keys, "audit": recorder.Names,
	}
	level, ok := levels[in.Level]
	if !ok {
		return CheckAnswer{}, fmt.Errorf("there is no level %q", in.Level)
	}
	answer := CheckAnswer{Version: 1}
	var opener nvr.Opener
	if in.Level == "keys" || in.Level == "audit" {
		var session *auth.Session
		var end func()
		var err error
		if opener, session, end, err = b.opener(ctx, in.Credentials); err != nil {
			return answer, err
		}
		defer end()
		if in.Level == "audit" {
			if err := b.audit(ctx, session, &answer); err != nil {
				return answer, err
			}
		}
	}
	if err := b.CheckDatabases(ctx); err != nil {
		return answer, err
	}
	var err error
	answer.CheckReport, err = b.Recorder.Library().Check(ctx, level, opener)
	return answer, err
}

// audit looks at the log of who looked, and at what was noticed in it.
func (b Box) audit(ctx context.Context, session *auth.Session, answer *CheckAnswer) error {
	if session == nil {
		return errors.New("the log of who looked opens with a password: use --as and --password-file")
	}
	report, err := b.Auth.VerifyLog(ctx, session)
	if err != nil {
		return err
	}
	if report.Problem != auth.NoProblem {
		answer.Log = fmt.Sprintf("entry %d: %s", report.Row, report.Problem)
	}
	answer.Alarms = b.Auth.Alarms()
	notices, err := b.Auth.Notices(ctx, session, maxNotices)
	if err != nil {
		return err
	}
	people, err := b.Auth.Names(ctx, session)
	if err != nil {
		return err
	}
	cameras := make(map[nvr.CameraID]string)
	for _, status := range b.Fleet.List() {
		cameras[status.Camera.ID] = status.Camera.Name
	}
	for _, n := range notices {
		answer.Notices = append(answer.Notices, Notice{n.Time, n.Kind, people[n.Principal], cameras[n.Camera], n.Count})
	}
	return nil
}
