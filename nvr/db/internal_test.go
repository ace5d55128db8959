package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"syscall"
	"testing"
	"time"

	"modernc.org/sqlite"

	"lares/nvr"
)

// openly is a Sealer that hides nothing.
type openly struct{}

func (openly) Seal(_ string, plaintext []byte) []byte       { return plaintext }
func (openly) Open(_ string, sealed []byte) ([]byte, error) { return sealed, nil }
func quiet() *slog.Logger                                   { return slog.New(slog.DiscardHandler) }
func testLayout(path string, steps []step) layout {
	return layout{path: path, synchronous: "FULL", erase: true, cacheKiB: 1 << 10, steps: steps, copyTo: path + ".before-update"}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// schemaOf returns the statements that made a database, by name.
func schemaOf(t *testing.T, d *database) map[string]string {
	t.Helper()
	fill := func(scan scan, s *[2]string) error { return scan(&s[0], &s[1]) }
	all, err := list(context.Background(), d.write, fill, `SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'`)
	must(t, err)
	got := make(map[string]string)
	for _, s := range all {
		got[s[0]] = s[1]
	}
	return got
}

func someSteps() []step {
	return []step{
		{"one", `CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1);`},
		{"two", `CREATE TABLE b (y INTEGER); INSERT INTO b SELECT x FROM a;`},
		{"three", `ALTER TABLE b ADD COLUMN z TEXT; CREATE INDEX b_z ON b (z); UPDATE b SET z = 'new';`},
	}
}

func TestStepwiseEqualsFromScratch(t *testing.T) {
	for _, name := range []string{"config", "index", "example"} {
		t.Run(name, func(t *testing.T) {
			ctx, dir := context.Background(), t.TempDir()
			all, err := steps(name)
			must(t, err)
			if name == "example" {
				all = someSteps()
			}
			scratch, err := open(ctx, testLayout(filepath.Join(dir, "scratch"), all))
			must(t, err)
			path := filepath.Join(dir, "stepwise")
			var stepwise *database
			for n := 1; n <= len(all); n++ {
				stepwise, err = open(ctx, testLayout(path, all[:n]))
				must(t, err)
				if n < len(all) {
					must(t, stepwise.close(false))
				}
			}
			got, want := schemaOf(t, stepwise), schemaOf(t, scratch)
			if len(want) == 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("stepwise:\n%v\nfrom scratch:\n%v", got, want)
			}
			must(t, errors.Join(stepwise.close(false), scratch.close(false)))
		})
	}
}

func TestACopyIsKeptBeforeAMigration(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	for n := 1; n <= 3; n++ {
		d, err := open(ctx, testLayout(path, someSteps()[:n]))
		must(t, err)
		must(t, d.close(false))
		if _, err := os.Stat(path + ".before-update"); (n == 1) != errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("after step %d: %v", n, err)
		}
	}
	info, err := os.Stat(path + ".before-update")
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the copy has mode %v", info.Mode())
	}
	d, err := open(ctx, testLayout(path+".before-update", someSteps()[:2]))
	must(t, err)
	if got := schemaOf(t, d); len(got) != 2 {
		t.Errorf("the copy holds %v, want the state before the last step", got)
	}
	must(t, d.close(false))
}

func TestANewerDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	d, err := open(ctx, testLayout(path, someSteps()))
	must(t, err)
	must(t, d.close(false))
	if _, err := open(ctx, testLayout(path, someSteps()[:2])); !errors.Is(err, ErrNewer) {
		t.Fatalf("got %v, want ErrNewer", err)
	}
	d, err = open(ctx, testLayout(path, someSteps()))
	must(t, err)
	must(t, d.close(false))
}

func TestAMigrationThatFailsLeavesTheOldState(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	d, err := open(ctx, testLayout(path, someSteps()[:1]))
	must(t, err)
	before := schemaOf(t, d)
	must(t, d.close(false))
	broken := append(someSteps()[:2:2], step{"broken", `CREATE TABLE c (x); INSERT INTO nowhere VALUES (1);`})
	if _, err := open(ctx, testLayout(path, broken)); err == nil {
		t.Fatal("no error")
	}
	assertState(t, path, before, 1)
}

// assertState fails unless the database has a schema and version.
func assertState(t *testing.T, path string, schema map[string]string, version int) {
	t.Helper()
	d, err := open(context.Background(), testLayout(path, someSteps()[:version]))
	must(t, err)
	if got := schemaOf(t, d); !reflect.DeepEqual(got, schema) {
		t.Errorf("got %v, want %v", got, schema)
	}
	must(t, d.close(false))
}

// TestAMigrationThatIsKilledLeavesTheOldState runs itself as a child that dies
// in the middle of the last step.
func TestAMigrationThatIsKilledLeavesTheOldState(t *testing.T) {
	const variable = "LARES_TEST_KILLED_MIGRATION"
	if path := os.Getenv(variable); path != "" {
		migrateAndDie(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "config.db")
	d, err := open(context.Background(), testLayout(path, someSteps()[:1]))
	must(t, err)
	before := schemaOf(t, d)
	must(t, d.close(false))

	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$") // #nosec G204 G702 -- this test
	child.Env = append(os.Environ(), variable+"="+path)
	var exit *exec.ExitError
	if err := child.Run(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v, want a kill", err)
	}
	assertState(t, path, before, 1)
}

func migrateAndDie(t *testing.T, path string) {
	must(t, sqlite.RegisterScalarFunction("die", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		return nil, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}))
	deadly := append(someSteps(), step{"deadly", `CREATE TABLE c (x); INSERT INTO c VALUES (die());`})
	_, err := open(context.Background(), testLayout(path, deadly))
	t.Fatalf("still alive: %v", err)
}

func TestHeldIsTheFlagThatTheSchemaNames(t *testing.T) {
	if nvr.Held != 2 {
		t.Fatalf("nvr.Held is %d, schema/index_001.sql and Oldest say 2", nvr.Held)
	}
}

func TestTheAgeIndexServesOldest(t *testing.T) {
	ctx := context.Background()
	x, err := OpenIndex(ctx, filepath.Join(t.TempDir(), "index.db"), quiet())
	must(t, err)
	t.Cleanup(func() { _ = x.Close() })
	for query, index := range map[string]string{
		`SELECT ` + columns + ` FROM segment s ` + numbers + ` WHERE s.disk = 1 AND s.stream = 1 AND s.flags & 2 = 0 AND s.day <= 3
			ORDER BY s.day, s.start_ms, s.seq LIMIT 5`: "SEARCH s USING INDEX segment_age (disk=? AND stream=? AND day<?)",
		`SELECT ` + columns + ` FROM segment s ` + numbers + ` WHERE s.stream = 1 AND s.start_ms >= 1 AND s.start_ms < 4
			ORDER BY s.start_ms, s.seq`: "SEARCH s USING PRIMARY KEY (stream=? AND start_ms>? AND start_ms<?)",
	} {
		fill := func(scan scan, line *string) error {
			var ignored int
			return scan(&ignored, &ignored, &ignored, line)
		}
		plan, err := list(ctx, x.db.read, fill, `EXPLAIN QUERY PLAN `+query)
		must(t, err)
		if len(plan) != 4 || plan[0] != index {
			t.Errorf("plan: %q", plan)
		}
	}
}

// TestCopiesThatMovedRowsLeaveAreErased makes SQLite move rows between pages
// until a deleted one has left a copy in unused room of a page.
func TestCopiesThatMovedRowsLeaveAreErased(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	c, err := OpenConfig(ctx, path, openly{}, quiet())
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	_, err = c.db.write.Exec(`CREATE TABLE scratch (k INTEGER PRIMARY KEY, v BLOB)`)
	must(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	kept := []int64{}
	for range 5000 {
		k, v := rng.Int64(), make([]byte, 40+rng.IntN(900))
		for i := range v {
			v[i] = byte(rng.Uint32())
		}
		_, err := c.db.write.Exec(`INSERT INTO scratch VALUES (?, ?)`, k, v)
		must(t, err)
		if kept = append(kept, k); len(kept) < 100 {
			continue
		}
		i := rng.IntN(len(kept))
		if gone := deleteScratch(t, c.db.write, kept[i]); holdsNow(t, c.db.write, gone) {
			must(t, c.scrub(ctx, [][]byte{gone}, false))
			if holdsNow(t, c.db.write, gone) {
				t.Fatal("the copy is still there")
			}
			return
		}
		kept[i] = kept[len(kept)-1]
		kept = kept[:len(kept)-1]
	}
	t.Skip("this version of SQLite leaves no copies behind")
}

func deleteScratch(t *testing.T, db *sql.DB, k int64) (gone []byte) {
	t.Helper()
	must(t, db.QueryRow(`DELETE FROM scratch WHERE k = ? RETURNING v`, k).Scan(&gone))
	return gone
}

func holdsNow(t *testing.T, db *sql.DB, value []byte) bool {
	t.Helper()
	conn, err := db.Conn(context.Background())
	must(t, err)
	found, err := holdsAny(context.Background(), conn, [][]byte{value})
	must(t, errors.Join(err, conn.Close()))
	return found
}

// TestWhatAKilledRunDeletedIsErasedAtTheNextStart stands in the moment between
// the deletion and the erasing.
func TestWhatAKilledRunDeletedIsErasedAtTheNextStart(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	c, err := OpenConfig(ctx, path, openly{}, quiet())
	must(t, err)
	_, err = c.db.write.Exec(`INSERT INTO unerased VALUES (1)`)
	must(t, err)
	must(t, c.Close())
	c, err = OpenConfig(ctx, path, openly{}, quiet())
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	var left int
	must(t, c.db.write.QueryRow(`SELECT count(*) FROM unerased`).Scan(&left))
	if left != 0 {
		t.Error("it is still waiting to be erased")
	}
}

func TestTheWriteAheadLogIsOverwrittenBeforeItIsCut(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	c, err := OpenConfig(ctx, path, openly{}, quiet())
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.SetSetting(ctx, "a", make([]byte, 100_000)))
	must(t, zero(path+"-wal"))
	b, err := os.ReadFile(path + "-wal")
	must(t, err)
	for _, v := range b {
		if v != 0 {
			t.Fatal("not all zero")
		}
	}
	if len(b) < 100_000 {
		t.Errorf("the log has %d bytes: its size was changed", len(b))
	}
	must(t, zero(path+"-missing"))
}

func TestAFullDiskIsSaidAndTheReserveIsGivenUp(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	c, err := OpenConfig(ctx, path, openly{}, quiet())
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	if !c.Reserve() {
		t.Fatal("no room in reserve")
	}
	var pages int
	must(t, c.db.write.QueryRow(`PRAGMA page_count`).Scan(&pages))
	_, err = c.db.write.Exec(`PRAGMA max_page_count = ` + strconv.Itoa(pages))
	must(t, err)

	big := make([]byte, 100_000)
	if err := c.SetSetting(ctx, "a", big); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	if !c.Reserve() {
		t.Fatal("a setting took the reserve")
	}
	if err := c.AppendLog(ctx, nvr.LogEntry{Seq: 1, Details: big}, nil); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	if _, err := os.Stat(path + ".reserve"); c.Reserve() || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the reserve was kept (%v)", err)
	}
	if entries, err := c.Log(ctx, 0, 10); err != nil || len(entries) != 0 {
		t.Errorf("half an entry: %v, %v", entries, err)
	}
	_, err = c.db.write.Exec(`PRAGMA max_page_count = 1000000`)
	must(t, err)
	must(t, c.AppendLog(ctx, nvr.LogEntry{Seq: 1, Details: big}, nil))
	must(t, c.Check(ctx))
	if !c.Reserve() {
		t.Error("no room in reserve after there was some again")
	}
}

// A home that was set up before there was motion keeps its cameras and its index.
func TestUpgradeFromBeforeMotion(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	all, err := steps("config")
	must(t, err)
	d, err := open(ctx, testLayout(filepath.Join(dir, "config.db"), all[:1]))
	must(t, err)
	camera := nvr.NewID[nvr.Camera]()
	sealed, err := (&Config{sealer: openly{}}).seal("camera.sealed", camera[:], []byte("Door"), []byte("admin"), []byte("secret"))
	must(t, err)
	_, err = d.write.ExecContext(ctx, `INSERT INTO camera (id, place, inside, audio, disabled, transport, retention, sealed)
		VALUES (?, 0, 0, 0, 0, 0, 30, ?)`, camera[:], sealed)
	must(t, errors.Join(err, d.close(false)))
	c, err := OpenConfig(ctx, filepath.Join(dir, "config.db"), openly{}, quiet())
	must(t, err)
	cameras, err := c.Cameras(ctx)
	must(t, errors.Join(err, c.Close()))
	want := nvr.Camera{ID: camera, Name: "Door", User: "admin", Password: "secret", RetentionDays: 30}
	if len(cameras) != 1 || !reflect.DeepEqual(cameras[0], want) {
		t.Errorf("got %+v, want %+v", cameras, want)
	}

	all, err = steps("index")
	must(t, err)
	d, err = open(ctx, testLayout(filepath.Join(dir, "index.db"), all[:1]))
	must(t, err)
	_, err = d.write.ExecContext(ctx, `INSERT INTO stream (num, id, longest_ms) VALUES (1, zeroblob(16), 60000);
		INSERT INTO disk VALUES (1, zeroblob(16)); INSERT INTO vault VALUES (1, zeroblob(16));
		INSERT INTO segment VALUES (1, 0, 1, 60000, 500, 1, 1, 0, 0); INSERT INTO share VALUES (1, 1, 1, 500);
		INSERT INTO quarter VALUES (1, 0, 60000, 500); UPDATE state SET complete = 1`)
	must(t, errors.Join(err, d.close(false)))
	x, err := OpenIndex(ctx, filepath.Join(dir, "index.db"), quiet())
	must(t, err)
	rows, err := x.Range(ctx, nvr.StreamID{}, time.Unix(0, 0), time.Unix(1, 0))
	must(t, err)
	// Nothing of motion lies in it, and nobody watched.
	if len(rows) != 1 || rows[0].Activity != (nvr.Activity{Known: true}) || x.Fresh() {
		t.Errorf("rows %+v, fresh %v", rows, x.Fresh())
	}
	must(t, x.Close())
}
