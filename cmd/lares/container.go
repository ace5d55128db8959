package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// giveFolders makes folders that are root's those of the user and group that
// the variables PUID and PGID name, as container images for a NAS have it.
// becomeOwner then goes on as that user. Where this is not root, or nobody is
// named, it does nothing: the folders have to be right already.
func giveFolders(folders ...string) error {
	if os.Geteuid() != 0 || os.Getenv("PUID") == "" {
		return nil
	}
	uid, err := strconv.ParseUint(os.Getenv("PUID"), 10, 31)
	if err != nil {
		return usageError{"PUID must be the number of a user, as 'id' shows it"}
	}
	gid, err := strconv.ParseUint(os.Getenv("PGID"), 10, 31)
	if err != nil {
		return usageError{"PGID must be the number of a group, as 'id' shows it"}
	}
	for _, folder := range folders {
		info, err := os.Stat(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is made by that user, or named in words
		}
		if err != nil {
			return err
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); !ok || owner.Uid != 0 {
			continue
		}
		if err := os.Chown(folder, int(uid), int(gid)); err != nil {
			return fmt.Errorf("give the folder %s to the user %d: %w", folder, uid, err)
		}
	}
	return nil
}
