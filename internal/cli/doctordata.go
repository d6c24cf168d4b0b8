package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"velador/internal/store/postgres"
	"velador/internal/store/sqlite"
)

// How much disk is little: the bus may take a gibibyte, the logs another one.
const (
	diskPoor   = 4 << 30
	diskBroken = 256 << 20
)

const otherDir = "--data-dir or VELADOR_DATA_DIR chooses another directory"

// lookAtDataDir looks whether the directory can be written, and at the disk below it.
func (d *doctor) lookAtDataDir(context.Context) []finding {
	const what = "data directory"
	path, err := filepath.Abs(d.database.dataDir)
	if err != nil {
		return []finding{broken(what, otherDir, "%v", err)}
	}
	// The directory itself, or the one in which serve will make it.
	at, missing := path, false
	info, err := os.Stat(at)
	for errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
		at, missing = filepath.Dir(at), true
		info, err = os.Stat(at)
	}
	var found []finding
	switch {
	case err != nil:
		return []finding{broken(what, otherDir, "%v", err)}
	case !info.IsDir():
		return []finding{broken(what, otherDir, "%s is no directory", at)}
	case unix.Access(at, unix.W_OK|unix.X_OK) != nil:
		found = append(found, broken(what, "give it to the user that runs velador; or "+otherDir, "%s is not writable", at))
	case missing:
		found = append(found, well(what, "%s does not exist yet; velador serve makes it", path))
	default:
		found = append(found, well(what, "%s is writable", path))
	}
	return append(found, lookAtDisk(at))
}

// lookAtDisk looks how much room there is below a directory.
func lookAtDisk(dir string) finding {
	const what = "disk"
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return poor(what, "look whether the disk is mounted", "the room on the disk of %s is not known: %v", dir, err)
	}
	return diskFinding(roomOf(&stat))
}

// diskFinding judges how many bytes of a disk of a size are free.
func diskFinding(free, size uint64) finding {
	const what = "disk"
	switch f := well(what, "%s of %s are free on the disk of the data directory", humanize.IBytes(free), humanize.IBytes(size)); {
	case free < diskBroken:
		return finding{isBroken, what, f.Says, "make room: what cannot be written waits on the bus, and collectors end when that is full"}
	case free < diskPoor:
		return finding{isPoor, what, f.Says, "make room soon; --log-total bounds the logs"}
	default:
		return f
	}
}

// roomOf gives the bytes that this user may still write on a disk, and its size.
func roomOf(stat *unix.Statfs_t) (free, size uint64) {
	block := uint64(stat.Bsize)
	return uint64(max(0, stat.Bavail)) * block, uint64(stat.Blocks) * block //nolint:unconvert // FreeBSD's are signed
}

// lookAtDatabase asks the database and compares its schema with ours.
func (d *doctor) lookAtDatabase(ctx context.Context) []finding {
	const what = "database"
	var (
		survey sqlite.Survey
		err    error
	)
	if d.database.url != "" {
		survey, err = lookAtPostgres(ctx, d.database)
	} else {
		file := filepath.Join(d.database.dataDir, sqliteFile)
		if _, missing := os.Stat(file); errors.Is(missing, fs.ErrNotExist) {
			return []finding{well(what, "there is none yet; velador serve makes %s", file)}
		}
		survey, err = sqlite.Look(ctx, file)
	}
	if err != nil {
		do := "look whether PostgreSQL runs and DATABASE_URL is right: velador db ping"
		if d.database.url == "" {
			do = "look at the file and who may read it; a backup may be put in its place while no server runs"
		}
		return []finding{broken(what, do, "%v", err)}
	}
	pending := 0
	for _, step := range survey.Migrations {
		if step.Applied.IsZero() {
			pending++
		}
	}
	if pending > 0 {
		return []finding{poor(what, "velador db migrate; velador serve does it too when it starts", "%s answers; %d of %d steps of its schema are pending", d.database.name(), pending, len(survey.Migrations))}
	}
	return []finding{well(what, "%s answers; %s, the schema is up to date", d.database.name(), humanize.IBytes(uint64(max(0, survey.Stock.Bytes))))}
}

func lookAtPostgres(ctx context.Context, f databaseFlags) (survey sqlite.Survey, err error) {
	db, err := postgres.Open(ctx, postgres.Config{URL: f.url, DirectURL: f.directURL, MaxConns: 1})
	if err != nil {
		return survey, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err = db.Ping(ctx); err != nil {
		return survey, err
	}
	if survey.Migrations, err = db.Migrations(ctx); err != nil {
		return survey, err
	}
	for _, step := range survey.Migrations {
		if step.Applied.IsZero() {
			return survey, nil
		}
	}
	survey.Stock, err = db.Stock(ctx)
	return survey, err
}
