package recorder

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lares/nvr"
)

// Names below a footage path.
const (
	identityName = "lares-disk.json"
	partsDir     = "parts"
	vaultsDir    = "vaults"
	partSuffix   = ".part"
	segSuffix    = ".seg"
	dayLayout    = time.DateOnly
)

// partName is where a segment grows: parts/<stream>-<start ms>-<seq>.part. All
// open files lie in one folder, so that recovery need not walk the footage.
func partName(s nvr.Segment) string {
	return filepath.Join(partsDir, fmt.Sprintf("%s-%d-%d%s", s.Stream, s.Start.UnixMilli(), s.Seq, partSuffix))
}

// dayDir is the folder of a stream's segments that began on a day (UTC).
func dayDir(stream nvr.StreamID, start time.Time) string {
	return filepath.Join("s"+stream.String(), start.UTC().Format(dayLayout))
}

// segName is where a finished segment lies:
// s<stream>/<day>/<start ms>-<duration ms>-<seq>.seg.
func segName(s nvr.Segment) string {
	return filepath.Join(dayDir(s.Stream, s.Start),
		fmt.Sprintf("%d-%d-%d%s", s.Start.UnixMilli(), s.Duration.Milliseconds(), s.Seq, segSuffix))
}

func vaultName(id nvr.VaultID) string { return filepath.Join(vaultsDir, id.String()+".vault") }

// parsePart reads the base name of partName.
func parsePart(name string) (nvr.Segment, bool) {
	rest, ok := strings.CutSuffix(name, partSuffix)
	fields := strings.Split(rest, "-")
	if !ok || len(fields) != 3 {
		return nvr.Segment{}, false
	}
	stream, err := nvr.ParseID[nvr.Stream](fields[0])
	if err != nil {
		return nvr.Segment{}, false
	}
	numbers, ok := parseNumbers(fields[1:])
	if !ok {
		return nvr.Segment{}, false
	}
	return nvr.Segment{Stream: stream, Start: time.UnixMilli(numbers[0]).UTC(), Seq: uint64(numbers[1])}, true
}

// parseSeg reads the base name of segName; the stream is that of the folder.
func parseSeg(stream nvr.StreamID, name string) (nvr.Segment, bool) {
	rest, ok := strings.CutSuffix(name, segSuffix)
	fields := strings.Split(rest, "-")
	if !ok || len(fields) != 3 {
		return nvr.Segment{}, false
	}
	numbers, ok := parseNumbers(fields)
	if !ok {
		return nvr.Segment{}, false
	}
	return nvr.Segment{
		Stream: stream, Start: time.UnixMilli(numbers[0]).UTC(),
		Duration: time.Duration(numbers[1]) * time.Millisecond, Seq: uint64(numbers[2]),
	}, true
}

// maxMillis keeps parsed numbers where times and durations cannot overflow: the year 9999.
const maxMillis = 253_402_300_799_999

// parseNumbers accepts plain decimal numbers in the one spelling that the names have.
func parseNumbers(fields []string) ([]int64, bool) {
	numbers := make([]int64, len(fields))
	for i, field := range fields {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil || n < 0 || n > maxMillis || strconv.FormatInt(n, 10) != field {
			return nil, false
		}
		numbers[i] = n
	}
	return numbers, true
}

// parseStreamDir reads the name of a stream's folder.
func parseStreamDir(name string) (nvr.StreamID, bool) {
	rest, ok := strings.CutPrefix(name, "s")
	if !ok {
		return nvr.StreamID{}, false
	}
	id, err := nvr.ParseID[nvr.Stream](rest)
	return id, err == nil
}
