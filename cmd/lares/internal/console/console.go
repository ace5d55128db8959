// Package console lets the person at the box work with it: through a socket
// while Lares runs, and on the opened data folder while it does not. Both ways
// call the same [Handler], so that a sub-command is written once.
//
// Who may open the socket owns the box; what was done is logged as 'console'.
// Opening footage still takes a name and a password: the box holds no key.
package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/vault"
	"lares/recorder"
)

// maxRequest bounds a request and an error, bytes.
const maxRequest = 64 << 10

// Fleet is the cameras of the house. camera.Fleet implements it.
type Fleet interface {
	List() []nvr.CameraStatus
	Add(ctx context.Context, c nvr.Camera) (nvr.Camera, error)
	Remove(ctx context.Context, id nvr.CameraID) error
	Probe(ctx context.Context, c nvr.Camera) (nvr.ProbeReport, error)
	Stream(id nvr.StreamID) *nvr.Stream
}

// Detection is the search for motion. watch.Service implements it.
type Detection interface {
	Detection(camera nvr.CameraID) nvr.DetectionStatus
}

// Box is what the console works on.
type Box struct {
	Auth      *auth.Service
	Fleet     Fleet
	Recorder  *recorder.Recorder
	Detection Detection
	Log       *slog.Logger
	Version   string
	// Running says that the cameras are pulled.
	Running bool
	// Protection is what keeps the keys of the box to itself.
	Protection func() nvr.Protection
	// Alive fails when a part that has to answer does not.
	Alive func(context.Context) error
	// Backup returns a sealed backup and when it was made.
	Backup func(context.Context) ([]byte, time.Time, error)
	// CheckDatabases looks for damage in the databases.
	CheckDatabases func(context.Context) error
}

// Handler answers the console.
func Handler(b Box) http.Handler {
	mux := http.NewServeMux()
	handle(mux, b, "POST /setup", b.setup)
	handle(mux, b, "POST /setup-code", b.setupCode)
	handle(mux, b, "POST /login-code", b.loginCode)
	handle(mux, b, "POST /reset-owner", b.resetOwner)
	handle(mux, b, "GET /cameras", b.cameras)
	handle(mux, b, "POST /cameras", b.addCamera)
	handle(mux, b, "POST /cameras/remove", b.removeCamera)
	handle(mux, b, "POST /cameras/probe", b.probe)
	handle(mux, b, "GET /status", b.status)
	handle(mux, b, "GET /health", b.health)
	handle(mux, b, "POST /check", b.check)
	handle(mux, b, "POST /adopt", b.adopt)
	stream(mux, "POST /export", b.export)
	stream(mux, "POST /backup", b.backup)
	return mux
}

// stream registers a function that writes its answer itself, or fails before.
func stream(mux *http.ServeMux, pattern string, f func(http.ResponseWriter, *http.Request) error) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			refuse(w, err)
		}
	})
}

// handle registers a function from a JSON request to a JSON answer.
func handle[In, Out any](mux *http.ServeMux, b Box, pattern string, f func(context.Context, In) (Out, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		in, err := read[In](r)
		var out Out
		if err == nil {
			out, err = f(r.Context(), in)
		}
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(out); err != nil {
			b.Log.WarnContext(r.Context(), "answer the console", slog.Any("error", err))
		}
	})
}

func read[In any](r *http.Request) (in In, err error) {
	if r.ContentLength == 0 || r.Body == http.NoBody {
		return in, nil
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxRequest)).Decode(&in); err != nil {
		return in, fmt.Errorf("read the request: %w", err)
	}
	return in, nil
}

// refuse answers with the error: whoever asks owns the box and may read it.
func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnprocessableEntity)
	_ = json.NewEncoder(w).Encode(struct{ Error string }{err.Error()}) // the caller went away
}

// none is an empty request or answer.
type none struct{}

// record enters what was done.
func (b Box) record(ctx context.Context, action string, camera nvr.CameraID, detail string) {
	err := b.Auth.Record(ctx, auth.Entry{Action: action, Camera: camera, Addr: "console", Detail: detail})
	if err != nil && !errors.Is(err, nvr.ErrNoOwner) {
		b.Log.WarnContext(ctx, "enter in the log of who looked", slog.Any("error", err))
	}
}

// SetupRequest makes an owner without a browser.
type SetupRequest struct {
	Name, Password string
	// SecondFactor makes a TOTP secret; without one it is waived.
	SecondFactor bool
	// Told: the owner knows what is kept, and no page says so.
	Told bool
}

// SetupAnswer is shown once.
type SetupAnswer struct {
	RecoveryKey string
	TOTPURL     string // otpauth://, empty without second factor
}

func (b Box) setup(ctx context.Context, in SetupRequest) (SetupAnswer, error) {
	recovery := auth.NewRecoveryKey()
	req := auth.ClaimRequest{
		Console: true, Name: in.Name, Password: in.Password, Recovery: recovery,
		WaiveSecondFactor: !in.SecondFactor, Addr: "console", Device: "console", Told: in.Told,
	}
	answer := SetupAnswer{RecoveryKey: recovery.String()}
	if in.SecondFactor {
		secret, url, err := auth.NewTOTP(in.Name)
		if err != nil {
			return SetupAnswer{}, err
		}
		code, err := totp.GenerateCode(secret, time.Now())
		if err != nil {
			return SetupAnswer{}, err
		}
		req.TOTP, answer.TOTPURL = &auth.TOTPEnrolment{Secret: secret, Code: code}, url
	}
	session, _, err := b.Auth.Claim(ctx, req)
	if err != nil {
		return SetupAnswer{}, err
	}
	return answer, b.Auth.Logout(ctx, session)
}

// OneTimeCode is a code that works once, and until when.
type OneTimeCode struct {
	Code    string
	Expires time.Time
}

// setupCode is for the first run in the browser.
func (b Box) setupCode(ctx context.Context, _ none) (OneTimeCode, error) {
	claimed, err := b.Auth.Claimed(ctx)
	if err != nil {
		return OneTimeCode{}, err
	}
	if claimed {
		return OneTimeCode{}, auth.ErrClaimed
	}
	code, expires, err := b.Auth.NewSetupCode(ctx)
	return OneTimeCode{code, expires}, err
}

// loginCode lets somebody who has a password in while strangers guess passwords.
func (b Box) loginCode(ctx context.Context, _ none) (OneTimeCode, error) {
	code, expires, err := b.Auth.NewLoginCode(ctx)
	if errors.Is(err, nvr.ErrNoOwner) {
		return OneTimeCode{}, errors.New("nobody can log in yet: this box has no owner. 'lares setup-code' gives the code for the set-up")
	}
	return OneTimeCode{code, expires}, err
}

func (b Box) health(ctx context.Context, _ none) (none, error) { return none{}, b.Alive(ctx) }

func (b Box) resetOwner(ctx context.Context, _ none) (none, error) {
	return none{}, b.Auth.ResetOwner(ctx)
}

// Credentials open footage.
type Credentials struct {
	Name, Password, Code string
	// RecoveryKey opens footage instead, through the copies beside it.
	RecoveryKey string
}

// opener unlocks with credentials. end must be called after the last use.
func (b Box) opener(ctx context.Context, c Credentials) (opener nvr.Opener, session *auth.Session, end func(), err error) {
	if c.RecoveryKey != "" {
		key, err := vault.ParseRecoveryKey(c.RecoveryKey)
		if err != nil {
			return nil, nil, nil, err
		}
		return auth.RecoveryOpener(key, b.Recorder.EscrowFile), nil, func() {}, nil
	}
	session, _, err = b.Auth.Login(ctx, auth.LoginRequest{
		Name: c.Name, Password: c.Password, Code: c.Code, Addr: "console", Device: "console",
	})
	if err != nil {
		return nil, nil, nil, err
	}
	end = func() {
		if err := b.Auth.Logout(context.WithoutCancel(ctx), session); err != nil {
			b.Log.WarnContext(ctx, "end console session", slog.Any("error", err))
		}
	}
	return session, session, end, nil
}

// cameraByName finds a camera; names are unique in a house.
func (b Box) cameraByName(name string) (nvr.CameraStatus, error) {
	var names []string
	for _, status := range b.Fleet.List() {
		if status.Camera.Name == name {
			return status, nil
		}
		names = append(names, status.Camera.Name)
	}
	if len(names) == 0 {
		return nvr.CameraStatus{}, errors.New("there are no cameras yet")
	}
	return nvr.CameraStatus{}, fmt.Errorf("there is no camera %q. There is: %s", name, strings.Join(names, ", "))
}
