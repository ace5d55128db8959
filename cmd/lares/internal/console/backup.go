package console

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/vault"
)

// backup answers with a backup, which opens with the recovery key alone.
func (b Box) backup(w http.ResponseWriter, r *http.Request) error {
	file, _, err := b.Backup(r.Context())
	if err != nil {
		return err
	}
	b.record(r.Context(), auth.LogBackup, nvr.CameraID{}, "")
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(file)))
	if _, err := w.Write(file); err != nil {
		b.Log.ErrorContext(r.Context(), "backup", slog.Any("error", err)) // the missing bytes tell the caller
	}
	return nil
}

// Adopt takes in the keys beside the footage. Name and password are an owner's.
type Adopt struct {
	Credentials
	Recovery string    // the recovery key
	Restored time.Time // of the backup that the box was just restored from; zero: none
}

// Adopted says how many vaults open again: one for each camera and day at least.
type Adopted struct{ Keys int }

func (b Box) adopt(ctx context.Context, in Adopt) (Adopted, error) {
	key, err := vault.ParseRecoveryKey(in.Recovery)
	if err != nil {
		return Adopted{}, err
	}
	if !in.Restored.IsZero() {
		b.record(ctx, auth.LogRestored, nvr.CameraID{}, in.Restored.Format(time.RFC3339))
	}
	_, session, end, err := b.opener(ctx, Credentials{Name: in.Name, Password: in.Password, Code: in.Code})
	if err != nil {
		return Adopted{}, err
	}
	defer end()
	n, err := b.Auth.AdoptVaults(ctx, session, key, b.Recorder.EscrowFiles())
	return Adopted{n}, err
}
