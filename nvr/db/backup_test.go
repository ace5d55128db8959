package db_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"lares/nvr"
)

func TestABackupHoldsTheHouseholdAndNoKeyOfFootage(t *testing.T) {
	ctx, m := context.Background(), newMachine(t)
	c := openConfig(t, filepath.Join(t.TempDir(), "config.db"), m)
	house, houseGrants := vault(nvr.CameraID{}, 0, 2)
	footage, footageGrants := vault(nvr.NewID[nvr.Camera](), 5, 4)
	must(t, c.AddVault(ctx, house, houseGrants))
	must(t, c.AddVault(ctx, footage, footageGrants))
	must(t, c.SetSetting(ctx, "colour", []byte("blue")))
	link := nvr.ShareLink{ID: nvr.NewID[nvr.Principal](), Camera: footage.Camera, Expires: at(40)}
	key := nvr.SharedKey{Vault: footage.ID, Lookup: [32]byte(randomBytes(32)), Wrapped: randomBytes(105)}
	must(t, c.AddShare(ctx, link, []nvr.SharedKey{key}))

	copied, err := c.Backup(ctx)
	must(t, err)
	secrets := secretsOf(footage, footageGrants)
	secrets["key of a link"] = key.Wrapped
	assertAbsent(t, map[string][]byte{"backup": copied}, secrets)
	want(t, "the running box keeps its keys", footageGrants)(c.Grants(ctx, footage.ID))

	path := filepath.Join(t.TempDir(), "config.db")
	must(t, os.WriteFile(path, copied, 0o600))
	restored := openConfig(t, path, m)
	must(t, restored.Check(ctx))
	want(t, "a setting", []byte("blue"))(restored.Setting(ctx, "colour"))
	want(t, "the household's vault", house)(restored.Vault(ctx, house.ID))
	want(t, "and its grants", houseGrants)(restored.Grants(ctx, house.ID))
	want(t, "no links", []nvr.ShareLink(nil))(restored.Shares(ctx))
	must(t, restored.AddVault(ctx, footage, footageGrants)) // beside the footage it is there
}
